"""What tokens cost: of one job, of many, and of a job that is not enqueued yet."""

from batchline_shared.pricing.budget import over_budget
from batchline_shared.pricing.cost import Basis, Cost, Usd, price, total
from batchline_shared.pricing.rates import RateCard, Rates, price_list_of, rate_card
from batchline_shared.pricing.spent import LONG_TOKENS, Spent, Tokens, cost_of_job, spent_in, token_counts

__all__ = [
    "LONG_TOKENS",
    "Basis",
    "Cost",
    "RateCard",
    "Rates",
    "Spent",
    "Tokens",
    "Usd",
    "cost_of_job",
    "over_budget",
    "price",
    "price_list_of",
    "rate_card",
    "spent_in",
    "token_counts",
    "total",
]
