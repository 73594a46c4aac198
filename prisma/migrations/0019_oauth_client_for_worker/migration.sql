-- The worker renews tokens that forges gave by OAuth, which takes the client of that instance. It reads what a renewal needs,
-- the secret sealed as it is, and changes nothing; what people are shown of a client is not for it.
GRANT SELECT ("id", "forge", "host", "base_url", "client_id", "enabled", "client_secret_ciphertext", "client_secret_iv",
  "client_secret_tag", "secret_salt", "secret_key_version", "secret_version") ON "oauth_client" TO forgeway_worker;
