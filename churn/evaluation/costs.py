"""What a decision costs and brings."""

from pydantic import Field

from churn.frozen import Frozen


class Costs(Frozen):
    """The cost matrix, in one currency; a customer who is not contacted costs and brings nothing.

    Contacting a customer who stays costs `contact_cost`. Contacting one who would leave costs the same and brings
    `success_rate * saved_margin` on average. The defaults stand for a voucher of 10 that costs 1 to deliver and
    customers worth 200 (Verbraken, Verbeke, Baesens 2013, doi:10.1109/TKDE.2012.50), and for a third of the success
    assumed there for telephone contracts: a shop has no contract that a call could save.
    """

    contact_cost: float = Field(default=11.0, gt=0, description="cost of contacting one customer, offer included")
    saved_margin: float = Field(default=200.0, gt=0, description="margin of one customer who stays after all")
    success_rate: float = Field(
        default=0.1, gt=0, le=1, description="share of the leaving customers whom a contact keeps"
    )

    @property
    def reward(self) -> float:
        """What contacting a customer who would leave brings on average, before the contact is paid."""
        return self.success_rate * self.saved_margin

    @property
    def break_even(self) -> float:
        """The probability of churn from which on a contact pays; above 1 it never does."""
        return self.contact_cost / self.reward
