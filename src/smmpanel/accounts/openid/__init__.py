"""Signing in with another site that speaks OpenID Connect, such as Google.

Whose account it is, is decided by the issuer and its subject alone. An e-mail address counts only if the issuer says that
it is verified, and then leads to an account only if that account's own address is confirmed here: neither an address that
somebody merely claims there, nor one that somebody merely typed here, opens anything.
"""
