package config

// What the commands that ask the HTTP API find in the environment. They are no settings of the server, and on
// a host that has both they keep it from nothing.
const (
	ClientURL       = "TRUNKLINE_URL"        // where the API is
	ClientToken     = "TRUNKLINE_TOKEN"      // the token
	ClientTokenFile = "TRUNKLINE_TOKEN_FILE" // a file with the token
	ClientCA        = "TRUNKLINE_CA"         // a file of certificate authorities that are believed beside the system's
)

var forClients = map[string]bool{ClientURL: true, ClientToken: true, ClientTokenFile: true, ClientCA: true}
