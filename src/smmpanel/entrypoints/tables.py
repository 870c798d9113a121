"""All tables of all features, for migrations."""

import smmpanel.accounts.models
import smmpanel.accounts.referral_codes
import smmpanel.accounts.sign_in_models
import smmpanel.catalog.models
import smmpanel.growth.bonus_models
import smmpanel.growth.referral_models
import smmpanel.growth.tier_models
import smmpanel.growth.voucher_models
import smmpanel.kernel.facts
import smmpanel.kernel.job_errors
import smmpanel.kernel.options
import smmpanel.ledger.models
import smmpanel.notifications.models
import smmpanel.orders.coupon_models
import smmpanel.orders.models
import smmpanel.payments.bonus_models
import smmpanel.payments.models
import smmpanel.payments.proof_models
import smmpanel.payments.reconciliation_models
import smmpanel.payments.return_models
import smmpanel.providers.models
import smmpanel.reports.models  # noqa: F401
from smmpanel.kernel.db import Base

metadata = Base.metadata
