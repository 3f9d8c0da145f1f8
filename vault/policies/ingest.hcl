# Hourly ingestion: read the wrapped data key, make it when there is none yet, unwrap it. Nothing else.
# It holds no "update" on the KV path, so a data key that exists can never be replaced by ingestion.
path "secret/data/churn/data-key" {
  capabilities = ["create", "read"]
}
path "transit/datakey/wrapped/churn-data" {
  capabilities = ["update"]
}
path "transit/decrypt/churn-data" {
  capabilities = ["update"]
}
