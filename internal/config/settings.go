// Package config holds Trunkline's settings: what each is called, what it means, where it comes from
// and within which bounds it must lie. Settings come from environment variables, from a file of
// KEY=VALUE lines, and on a FusionPBX host from FusionPBX's own config.conf. The package reads those
// and the secret key's file; it connects to nothing and knows nothing of what the settings are for.
package config

import (
	"log/slog"
	"net/netip"
	"time"
)

// prefix begins the name of every setting.
const prefix = "TRUNKLINE_"

// Settings are all the settings of all commands, as Load returns them: complete and within their
// bounds. The tags are the documentation that `trunkline config` prints: env the name, envDefault the
// default, default a default that is worked out, help the meaning.
type Settings struct {
	// DatabaseURL is the URL of FusionPBX's Postgres database, in which Trunkline keeps its own schema.
	DatabaseURL Secret `env:"TRUNKLINE_DATABASE_URL" default:"database.0 of FusionPBX's config.conf" help:"FusionPBX's Postgres database: postgres://user:password@host:port/database"`
	// DatabaseConnections is the most connections to Postgres that one process opens.
	DatabaseConnections int `env:"TRUNKLINE_DATABASE_CONNECTIONS" envDefault:"20" help:"the most connections to Postgres that one process opens"`
	// RedisURL is the URL of the Redis that carries tasks and counts requests.
	RedisURL Secret `env:"TRUNKLINE_REDIS_URL" envDefault:"redis://127.0.0.1:6379/0" help:"the Redis that carries tasks: redis://user:password@host:port/number, rediss:// for TLS, or redis-sentinel://user:password@host:port,host:port/number?master=NAME, rediss-sentinel:// for TLS (docs/redis.md)"`
	// RedisCA is the path of the certificates, PEM, that a rediss:// server's is checked against; "": the system's.
	RedisCA string `env:"TRUNKLINE_REDIS_CA" default:"the system's" help:"a file of certificates (PEM) that Redis's own must be signed by, where it is reached over TLS"`

	// Switches are the event sockets of the PBX's FreeSWITCHes, each host:port; at least one.
	Switches []string `env:"TRUNKLINE_SWITCHES" default:"switch.event_socket of FusionPBX's config.conf, else 127.0.0.1:8021" help:"the event socket of each FreeSWITCH of this PBX: host:port, separated by commas"`
	// SwitchPassword is the password of all those event sockets.
	SwitchPassword Secret `env:"TRUNKLINE_SWITCH_PASSWORD" default:"switch.event_socket.password of FusionPBX's config.conf, else FreeSWITCH's own default" help:"the password of those event sockets"`
	// SwitchDialTimeout bounds connecting to an event socket and logging in.
	SwitchDialTimeout time.Duration `env:"TRUNKLINE_SWITCH_DIAL_TIMEOUT" envDefault:"2s" help:"how long connecting to an event socket may take"`
	// SwitchTimeout bounds one command on an event socket.
	SwitchTimeout time.Duration `env:"TRUNKLINE_SWITCH_TIMEOUT" envDefault:"5s" help:"how long one command on an event socket may take"`
	// SwitchMaxReply is the longest reply of a switch that is read. It is held in memory, three times for a moment.
	SwitchMaxReply Bytes `env:"TRUNKLINE_SWITCH_MAX_REPLY" envDefault:"64MiB" help:"the longest reply of a switch that is read; the list of 50,000 gateways has 46 MB"`

	// GatewayMode is how gateways reach the switches: "database", "file", or "auto" for as FusionPBX's settings say.
	GatewayMode string `env:"TRUNKLINE_GATEWAY_MODE" envDefault:"auto" help:"how gateways reach the switches: database, file, or auto for as FusionPBX's default setting switch, sip_profiles says"`
	// SIPProfilesDir is the folder of the profiles' gateway files in file mode; "": as FusionPBX's default setting says.
	SIPProfilesDir string `env:"TRUNKLINE_SIP_PROFILES_DIR" default:"FusionPBX's default setting switch, sip_profiles" help:"in file mode, the folder that holds a folder of gateway files for each SIP profile, as workers see it"`

	// Listen is the address, host:port, on which the front end listens.
	Listen string `env:"TRUNKLINE_LISTEN" envDefault:"127.0.0.1:8090" help:"the address on which the front end listens: host:port"`
	// PublicURL is where callers reach the front end, without a slash at its end; links begin with it.
	PublicURL string `env:"TRUNKLINE_PUBLIC_URL" default:"http:// (https:// with TRUNKLINE_TLS_CERT) and the address of TRUNKLINE_LISTEN" help:"where callers reach the front end, such as https://pbx.example; download links begin with it"`
	// TLSCert is the path of the certificate chain, PEM, with which the front end serves HTTPS itself; "": it serves HTTP.
	TLSCert string `env:"TRUNKLINE_TLS_CERT" default:"none: plain HTTP, behind a proxy" help:"a file with the certificate and its chain (PEM), to serve HTTPS directly; read again when it is renewed"`
	// TLSKey is the path of TLSCert's private key, PEM.
	TLSKey string `env:"TRUNKLINE_TLS_KEY" default:"none" help:"the file with that certificate's private key (PEM)"`
	// TrustedProxies are the proxies whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix `env:"TRUNKLINE_TRUSTED_PROXIES" default:"none" help:"the proxies whose X-Forwarded-For is believed: addresses or CIDRs, separated by commas"`
	// Whitelist is the path of the file of addresses that may call.
	Whitelist string `env:"TRUNKLINE_WHITELIST" envDefault:"/etc/trunkline/chkcon_whitelist.conf" help:"the file of the addresses that may call, one IP or CIDR a line"`
	// MaxBodyBytes is the largest request body that is read.
	MaxBodyBytes Bytes `env:"TRUNKLINE_MAX_BODY_BYTES" envDefault:"1MiB" help:"the largest request body"`
	// MaxParams is the most parameters that a request may have.
	MaxParams int `env:"TRUNKLINE_MAX_PARAMS" envDefault:"500" help:"the most parameters of a request"`
	// MaxParamBytes is the longest value of a parameter.
	MaxParamBytes Bytes `env:"TRUNKLINE_MAX_PARAM_BYTES" envDefault:"4KiB" help:"the longest value of a parameter"`
	// RateLimit is how many requests a minute one credential at one address may make at the standard endpoints.
	RateLimit int `env:"TRUNKLINE_RATE_LIMIT" envDefault:"100" help:"requests a minute, per credential and address"`
	// RateLimitExport is the same for CDR exports.
	RateLimitExport int `env:"TRUNKLINE_RATE_LIMIT_EXPORT" envDefault:"10" help:"CDR exports a minute, per credential and address"`
	// RateLimitGateway is the same for gateway operations.
	RateLimitGateway int `env:"TRUNKLINE_RATE_LIMIT_GATEWAY" envDefault:"50" help:"gateway operations a minute, per credential and address"`
	// RateLimitUnauthenticated is how many requests a minute without good credentials one address may make.
	RateLimitUnauthenticated int `env:"TRUNKLINE_RATE_LIMIT_UNAUTHENTICATED" envDefault:"60" help:"requests a minute without good credentials, per address"`
	// LoginFailures is how many wrong passwords for one name one address may send within LoginFailuresWindow.
	LoginFailures int `env:"TRUNKLINE_LOGIN_FAILURES" envDefault:"5" help:"wrong passwords for one name from one address before it is refused"`
	// LoginFailuresAddress is the same for all names together.
	LoginFailuresAddress int `env:"TRUNKLINE_LOGIN_FAILURES_ADDRESS" envDefault:"20" help:"failed logins from one address, whatever the names, before it is refused"`
	// LoginFailuresWindow is for how long failures are counted, and an address or name refused.
	LoginFailuresWindow time.Duration `env:"TRUNKLINE_LOGIN_FAILURES_WINDOW" envDefault:"10m" help:"for how long failed logins are counted"`
	// LoginDelayMax is the longest that an answer to a repeatedly failed login is held back.
	LoginDelayMax time.Duration `env:"TRUNKLINE_LOGIN_DELAY_MAX" envDefault:"2s" help:"the longest that the answer to a repeatedly failed login is held back; 0: not at all"`
	// AuthLog is where failed logins are written for fail2ban: a syslog socket, a file's path, or "none".
	AuthLog string `env:"TRUNKLINE_AUTH_LOG" envDefault:"/dev/log" help:"where failed logins are written for fail2ban's FusionPBX jail: syslog's socket, a file, or none"`
	// TokenGrace is how long a rotated token's old secret stays valid, where the rotation does not say.
	TokenGrace time.Duration `env:"TRUNKLINE_TOKEN_GRACE" envDefault:"24h" help:"how long the old secret of a rotated token stays valid; 0: not at all"`
	// AuditRetention is how long denials and changes are kept as rows.
	AuditRetention time.Duration `env:"TRUNKLINE_AUDIT_RETENTION" envDefault:"2160h" help:"how long the audit rows of denials and changes are kept"`
	// StatusMaxAge is how old the switch's counts in an answer may be.
	StatusMaxAge time.Duration `env:"TRUNKLINE_STATUS_MAX_AGE" envDefault:"1s" help:"how old what status says of the switch may be; within it, any number of callers cost one question"`
	// StatusTimeout bounds how long status and registrations wait for a switch.
	StatusTimeout time.Duration `env:"TRUNKLINE_STATUS_TIMEOUT" envDefault:"1800ms" help:"how long status and registrations wait for a switch"`
	// EventStreams is how many callers may follow jobs' events at once.
	EventStreams int `env:"TRUNKLINE_EVENT_STREAMS" envDefault:"200" help:"how many callers may follow the events of jobs at once, per process"`
	// Always200 makes every answer of the documented paths HTTP 200, for clients that read only the body.
	Always200 bool `env:"TRUNKLINE_ALWAYS_200" envDefault:"false" help:"answer errors of the documented paths (those that end in .php) with HTTP 200 too, for clients that read only the body"`
	// CredentialCache is how long a good check of a password is remembered; 0: not at all.
	CredentialCache time.Duration `env:"TRUNKLINE_CREDENTIAL_CACHE" envDefault:"60s" help:"how long a password that was right is not checked again; 0 checks each time"`
	// WaitDefault is how long a call waits for its job where the caller does not say.
	WaitDefault time.Duration `env:"TRUNKLINE_WAIT_DEFAULT" envDefault:"4s" help:"how long a call waits for its job before it answers 202, where the caller does not say"`
	// WaitMax is the longest wait that a caller can ask for.
	WaitMax time.Duration `env:"TRUNKLINE_WAIT_MAX" envDefault:"20s" help:"the longest such wait that a caller can ask for"`

	// ExportDir is the folder of export files, which front ends and workers share.
	ExportDir string `env:"TRUNKLINE_EXPORT_DIR" envDefault:"/var/lib/trunkline/exports" help:"the folder of export files; front ends and workers must see the same one"`
	// SyncExportRows is the most CDRs that an export answers at once; more is a job.
	SyncExportRows int `env:"TRUNKLINE_SYNC_EXPORT_ROWS" envDefault:"5000" help:"the most CDRs that an export answers at once; more becomes a job"`
	// DownloadTTL is how long a download link is good.
	DownloadTTL time.Duration `env:"TRUNKLINE_DOWNLOAD_TTL" envDefault:"24h" help:"how long a download link is good"`
	// ExportRetention is how long an export file is kept.
	ExportRetention time.Duration `env:"TRUNKLINE_EXPORT_RETENTION" envDefault:"168h" help:"how long an export file is kept"`
	// ExportMinFreeBytes is the free space in ExportDir below which no export is written.
	ExportMinFreeBytes Bytes `env:"TRUNKLINE_EXPORT_MIN_FREE_BYTES" envDefault:"1GiB" help:"the free space in the export folder below which no export is written"`
	// CSVFormulaGuard disarms CSV values that a spreadsheet would run as a formula.
	CSVFormulaGuard bool `env:"TRUNKLINE_CSV_FORMULA_GUARD" envDefault:"true" help:"disarm CSV values that a spreadsheet would run as a formula"`

	// ProvisionConcurrency is the number of provision jobs that a worker runs at a time.
	ProvisionConcurrency int `env:"TRUNKLINE_PROVISION_CONCURRENCY" envDefault:"16" help:"how many provision jobs a worker runs at a time"`
	// ExportConcurrency is the number of export jobs that a worker runs at a time.
	ExportConcurrency int `env:"TRUNKLINE_EXPORT_CONCURRENCY" envDefault:"2" help:"how many export jobs a worker runs at a time"`
	// RoundChanges is the most gateways that one round on a switch takes up.
	RoundChanges int `env:"TRUNKLINE_ROUND_CHANGES" envDefault:"10000" help:"how many gateways a switch takes up in one round; what is over waits for the next"`
	// RoundKills is the most gateways that one round on a switch kills.
	RoundKills int `env:"TRUNKLINE_ROUND_KILLS" envDefault:"500" help:"how many loaded gateways a switch drops in one round, to load them again or for good"`
	// ProvisionTimeout bounds one attempt at a provision job.
	ProvisionTimeout time.Duration `env:"TRUNKLINE_PROVISION_TIMEOUT" envDefault:"60s" help:"how long one attempt at a provision job may take"`
	// ExportTimeout bounds one attempt at an export job.
	ExportTimeout time.Duration `env:"TRUNKLINE_EXPORT_TIMEOUT" envDefault:"6h" help:"how long one attempt at an export job may take"`
	// ProvisionPoll is how often an idle worker looks for a provision task.
	ProvisionPoll time.Duration `env:"TRUNKLINE_PROVISION_POLL" envDefault:"13ms" help:"how often an idle worker looks for a provision job; a person waits for it"`
	// ExportPoll is how often an idle worker looks for an export task.
	ExportPoll time.Duration `env:"TRUNKLINE_EXPORT_POLL" envDefault:"500ms" help:"how often an idle worker looks for an export job"`
	// HeartbeatInterval is how often a running job's row is given a new heartbeat.
	HeartbeatInterval time.Duration `env:"TRUNKLINE_HEARTBEAT_INTERVAL" envDefault:"500ms" help:"how often a worker says that a job is still running, and looks whether it was cancelled"`
	// HeartbeatTimeout is how old a heartbeat may be before the job is dispatched again.
	HeartbeatTimeout time.Duration `env:"TRUNKLINE_HEARTBEAT_TIMEOUT" envDefault:"10s" help:"how long a running job may be silent before another worker gets it; more than twice TRUNKLINE_HEARTBEAT_INTERVAL"`
	// SweepInterval is how often the scheduler looks for jobs that were lost.
	SweepInterval time.Duration `env:"TRUNKLINE_SWEEP_INTERVAL" envDefault:"1s" help:"how often the scheduler looks for jobs that were lost"`
	// JobMaxAttempts is the number of attempts after which a job has failed.
	JobMaxAttempts int `env:"TRUNKLINE_JOB_MAX_ATTEMPTS" envDefault:"25" help:"after how many attempts a job has failed"`
	// JobRetention is how long the record of an ended job is kept.
	JobRetention time.Duration `env:"TRUNKLINE_JOB_RETENTION" envDefault:"720h" help:"how long the record of an ended job is kept"`
	// SecretRetention is how long a failed job's sealed secrets are kept for a retry.
	SecretRetention time.Duration `env:"TRUNKLINE_SECRET_RETENTION" envDefault:"24h" help:"how long the sealed secrets of a failed job are kept, so that it can be retried"`
	// ShutdownTimeout is how long running work may finish before it is handed back.
	ShutdownTimeout time.Duration `env:"TRUNKLINE_SHUTDOWN_TIMEOUT" envDefault:"30s" help:"how long running work may take to finish at a shutdown before it is handed back"`

	// SecretKey is the key that seals secrets and signs links, or the path of its file. LoadSecretKey reads it.
	SecretKey Secret `env:"TRUNKLINE_SECRET_KEY" envDefault:"/var/lib/trunkline/secret.key" help:"the key that seals secrets and signs links: 64 hex digits, base64 of 32 bytes, or the absolute path of a file with either"`
	// FusionPBXConfig is the path of FusionPBX's config.conf.
	FusionPBXConfig string `env:"TRUNKLINE_FUSIONPBX_CONFIG" envDefault:"/etc/fusionpbx/config.conf" help:"FusionPBX's own configuration, from which database and event socket come where they are not set"`

	// LogLevel is the least level that is logged.
	LogLevel slog.Level `env:"TRUNKLINE_LOG_LEVEL" envDefault:"info" help:"the least that is logged: debug, info, warn or error"`
	// LogFormat is "text" or "json".
	LogFormat string `env:"TRUNKLINE_LOG_FORMAT" envDefault:"text" help:"text or json"`

	sources map[string]Source // by name; a default is not in it
}

// Source says where a setting's value comes from.
type Source string

// The sources of a setting, from the one that yields to the one that wins.
const (
	FromDefault     Source = "default"
	FromFusionPBX   Source = "fusionpbx"
	FromFile        Source = "file"
	FromEnvironment Source = "environment"
)
