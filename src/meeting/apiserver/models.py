"""Types that the models of several subjects share at the edge."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict


def _to_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("this moment is out of range") from error


#: RFC 3339 with an offset in; UTC (`…Z`) out.
UtcMoment = Annotated[AwareDatetime, AfterValidator(_to_utc)]


class Answer(BaseModel):
    """An answer, made from the object of the same attributes."""

    model_config = ConfigDict(from_attributes=True)
