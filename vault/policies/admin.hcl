# Who looks after the keys: rotate and rewrap, without ever unwrapping the data key.
path "transit/keys/churn-data" {
  capabilities = ["create", "read", "update"]
}
path "transit/keys/churn-data/rotate" {
  capabilities = ["update"]
}
path "transit/rewrap/churn-data" {
  capabilities = ["update"]
}
path "secret/data/churn/*" {
  capabilities = ["create", "read", "update"]
}
path "secret/metadata/churn/*" {
  capabilities = ["list", "read"]
}
path "secret/undelete/churn/*" {
  capabilities = ["update"]
}
path "sys/policies/acl/churn-*" {
  capabilities = ["create", "read", "update"]
}
