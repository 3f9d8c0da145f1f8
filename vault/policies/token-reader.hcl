# A person who may ask which token a customer has (churn token ID): unwrap the data key, make none.
path "secret/data/churn/data-key" {
  capabilities = ["read"]
}
path "transit/decrypt/churn-data" {
  capabilities = ["update"]
}
