"""All modules that declare jobs or listen to facts. Every process loads them: a fact reaches only those known where it is recorded."""

import smmpanel.accounts.pruning
import smmpanel.accounts.resetting
import smmpanel.catalog.syncing
import smmpanel.growth.commissions
import smmpanel.growth.recounting_spends
import smmpanel.growth.referral_telling
import smmpanel.growth.referring
import smmpanel.growth.spends
import smmpanel.growth.telling_of_tiers
import smmpanel.kernel.facts
import smmpanel.kernel.jobs
import smmpanel.ledger.proving
import smmpanel.ledger.rollups
import smmpanel.notifications.alerts
import smmpanel.notifications.listening
import smmpanel.notifications.low_balances
import smmpanel.notifications.sending
import smmpanel.orders.asking_refills
import smmpanel.orders.bypassing
import smmpanel.orders.dripping
import smmpanel.orders.proving
import smmpanel.orders.reconciling
import smmpanel.orders.sending_cancels
import smmpanel.orders.submission
import smmpanel.orders.telling
import smmpanel.orders.timing
import smmpanel.orders.tracking
import smmpanel.orders.tracking_subscriptions
import smmpanel.payments.expiring
import smmpanel.payments.forgetting
import smmpanel.payments.proving
import smmpanel.payments.settling
import smmpanel.payments.telling
import smmpanel.providers.balances
import smmpanel.providers.health
import smmpanel.reports.counting  # noqa: F401
