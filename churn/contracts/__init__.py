"""What a row must look like: one contract per stream, versioned, with aliases, defaults and personal fields."""

from churn.contracts.model import AttributeType, Contract, ContractField, FieldType, load_contract

__all__ = ["AttributeType", "Contract", "ContractField", "FieldType", "load_contract"]
