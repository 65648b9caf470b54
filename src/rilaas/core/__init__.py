"""The nouns: tensors, signatures, policies, references, errors.

Frozen values and one protocol. No I/O, nothing but numpy; imports no other room, and every room imports it.
"""

from rilaas.core.check import check_policy
from rilaas.core.errors import (
    ERROR_TABLE,
    Conflict,
    DeadlineExceeded,
    InvalidInput,
    InvalidModelFolder,
    MissingDependency,
    ModelFailed,
    NotFound,
    PermissionDenied,
    RateLimited,
    RilaasError,
    SignatureMismatch,
    Unauthenticated,
    Unavailable,
    did_you_mean,
    error_from_code,
)
from rilaas.core.fallback import Fallback
from rilaas.core.policy import Policy, Prediction, Tensors, Timing
from rilaas.core.ref import ModelRef
from rilaas.core.signature import DATATYPES, Signature, TensorSpec

__all__ = [
    "DATATYPES",
    "ERROR_TABLE",
    "Conflict",
    "DeadlineExceeded",
    "Fallback",
    "InvalidInput",
    "InvalidModelFolder",
    "MissingDependency",
    "ModelFailed",
    "ModelRef",
    "NotFound",
    "PermissionDenied",
    "Policy",
    "Prediction",
    "RateLimited",
    "RilaasError",
    "Signature",
    "SignatureMismatch",
    "TensorSpec",
    "Tensors",
    "Timing",
    "Unauthenticated",
    "Unavailable",
    "check_policy",
    "did_you_mean",
    "error_from_code",
]
