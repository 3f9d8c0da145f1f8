"""The alerter flavor `churn_slack`: ZenML's Slack alerter, registered without calling Slack.

ZenML's own flavor asks Slack whether the token is good each time a configuration is checked, so that a stack could
not be registered before its secret exists, or from a machine without a way out. Posting is ZenML's, unchanged.
"""

from typing import TYPE_CHECKING

from zenml.integrations.slack.flavors.slack_alerter_flavor import SlackAlerterConfig, SlackAlerterFlavor

if TYPE_CHECKING:
    from zenml.integrations.slack.alerters import SlackAlerter


class OfflineSlackAlerterConfig(SlackAlerterConfig):
    """ZenML's configuration, checked without the network."""

    @property
    def is_valid(self) -> bool:
        """True: whether Slack accepts the token shows when an alert is posted."""
        return True


class OfflineSlackAlerterFlavor(SlackAlerterFlavor):
    """Registers `churn_slack` with ZenML."""

    @property
    def name(self) -> str:
        """Name of the flavor."""
        return "churn_slack"

    @property
    def config_class(self) -> type[OfflineSlackAlerterConfig]:
        """Its configuration."""
        return OfflineSlackAlerterConfig

    @property
    def implementation_class(self) -> type["SlackAlerter"]:
        """ZenML's Slack alerter; needs `slack-sdk`."""
        from zenml.integrations.slack.alerters import SlackAlerter

        return SlackAlerter
