"""People, what says who someone is — codes, passkeys, another service's word, sessions —, guests, and the counters that
limit tries.
"""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Integer, LargeBinary, SmallInteger, String, false
from sqlalchemy.dialects import mysql

from meeting.apiserver.schema import Digest, Email, Id, Moment, table

person = table(
    "person",
    Column("id", Id, primary_key=True),
    Column("email", Email(), nullable=False, unique=True),
    Column("name", String(100), nullable=False),
    Column("zone", String(64), nullable=False),
    Column("language", String(16), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("administrator", Boolean(create_constraint=False), nullable=False, server_default=false()),
    #: Whether a claim of the single sign-on made them one: the next sign-in without it takes that back.
    Column("administrator_by_claim", Boolean(create_constraint=False), nullable=False, server_default=false()),
    #: What their personal link ends with, if they chose one.
    Column("handle", String(40), nullable=True, unique=True, index=True),
    #: Which picture they have, if they have one: the first digits of its digest.
    Column("picture", String(16), nullable=True),
    #: Since when they may not sign in; and since when nothing of them is kept but that they were somebody.
    Column("blocked_at", Moment, nullable=True),
    Column("erased_at", Moment, nullable=True),
    #: Written when another administrator loses the rights and this one stays (accounts/administration.py).
    Column("vouched_at", Moment, nullable=True),
)

#: The picture of a person; apart from `person`, which is read with every request.
person_picture = table(
    "person_picture",
    Column("person_id", Id, ForeignKey("person.id"), primary_key=True),
    Column("type", String(20), nullable=False),
    Column("data", LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb"), nullable=False),
)

#: Someone without an account, let into one meeting by its link.
guest = table(
    "guest",
    Column("id", Id, primary_key=True),
    Column("meeting_id", Id, nullable=False, index=True),
    Column("name", String(100), nullable=False),
    Column("created_at", Moment, nullable=False),
)

#: One code per address: a new one replaces the old.
sign_in_code = table(
    "sign_in_code",
    Column("email", Email(), primary_key=True),
    Column("code_hash", Digest, nullable=False),
    Column("expires_at", Moment, nullable=False, index=True),
    Column("tries_left", SmallInteger, nullable=False),
)

#: A browser's cookie, as its HMAC. Of a person or of a guest.
session = table(
    "session",
    Column("cookie_hash", Digest, primary_key=True),
    #: What a person calls it by when they end it; the cookie's hash is nobody's business.
    Column("id", Id, nullable=False, unique=True),
    Column("person_id", Id, ForeignKey("person.id"), nullable=True, index=True),
    Column("guest_id", Id, ForeignKey("guest.id"), nullable=True),
    Column("created_at", Moment, nullable=False),
    Column("renewed_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False, index=True),
    #: What the browser last said it is, and where from.
    Column("user_agent", String(300), nullable=False),
    Column("address", String(64), nullable=False),
)

#: A public key of a person (WebAuthn level 3, section 4, "credential record").
passkey = table(
    "passkey",
    Column("id", Id, primary_key=True),
    Column("person_id", Id, ForeignKey("person.id"), nullable=False, index=True),
    #: SHA-256 of the credential id, which has up to 1023 bytes: more than an index likes.
    Column("credential_hash", Digest, nullable=False, unique=True),
    Column("credential_id", LargeBinary, nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("transports", String(100), nullable=False),
    Column("synced", Boolean(create_constraint=False), nullable=False),
    Column("name", String(100), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("used_at", Moment, nullable=True),
)

#: A challenge for an authenticator to sign, good once: for a person who registers a passkey, or (null) who signs in.
passkey_challenge = table(
    "passkey_challenge",
    Column("challenge_hash", Digest, primary_key=True),
    Column("person_id", Id, nullable=True),
    Column("expires_at", Moment, nullable=False, index=True),
)

#: Someone on their way to the single sign-on and back (OpenID Connect), good once.
oidc_attempt = table(
    "oidc_attempt",
    Column("state_hash", Digest, primary_key=True),
    #: Of the cookie of the browser that began: nobody else's browser ends it.
    Column("browser_hash", Digest, nullable=False),
    Column("nonce", String(64), nullable=False),
    Column("verifier", String(128), nullable=False),
    Column("next", String(300), nullable=False),
    Column("expires_at", Moment, nullable=False, index=True),
)

#: Who someone is at the single sign-on: digest of issuer and subject, which stay when an address changes.
oidc_identity = table(
    "oidc_identity",
    Column("identity_hash", Digest, primary_key=True),
    Column("person_id", Id, ForeignKey("person.id"), nullable=False, index=True),
    Column("created_at", Moment, nullable=False),
)

#: How often something was done within a span of time; `bucket` is a digest of what and by whom.
rate = table(
    "rate",
    Column("bucket", Digest, primary_key=True),
    Column("count", Integer, nullable=False),
    Column("until", Moment, nullable=False, index=True),
)
