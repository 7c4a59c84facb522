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
// bounds. The tags are their documentation, which `trunkline config` prints: env the name, envDefault the
// default, default in words one that is worked out, help the meaning. A number must be more than 0, or at
// least what least says, and at most what most says. Of a secret, public says what may be seen.
type Settings struct {
	DatabaseURL         Secret `env:"TRUNKLINE_DATABASE_URL" public:"url" default:"database.0 of FusionPBX's config.conf" help:"FusionPBX's Postgres database: postgres://user:password@host:port/database"`
	DatabaseConnections int    `env:"TRUNKLINE_DATABASE_CONNECTIONS" envDefault:"20" most:"1000" help:"the most connections to Postgres that one process opens"`
	RedisURL            Secret `env:"TRUNKLINE_REDIS_URL" public:"url" envDefault:"redis://127.0.0.1:6379/0" help:"the Redis that carries tasks: redis://user:password@host:port/number, rediss:// for TLS, or redis-sentinel://user:password@host:port,host:port/number?master=NAME, rediss-sentinel:// for TLS (docs/redis.md)"`
	RedisCA             string `env:"TRUNKLINE_REDIS_CA" default:"the system's" help:"a file of certificates (PEM), one of which must have signed Redis's own, for TLS"`

	Switches          []string      `env:"TRUNKLINE_SWITCHES" default:"switch.event_socket of FusionPBX's config.conf, else 127.0.0.1:8021" help:"the event socket of each FreeSWITCH of this PBX, at least one: host:port, separated by commas"`
	SwitchPassword    Secret        `env:"TRUNKLINE_SWITCH_PASSWORD" default:"switch.event_socket.password of FusionPBX's config.conf, else FreeSWITCH's own default" help:"the password of those event sockets"`
	SwitchDialTimeout time.Duration `env:"TRUNKLINE_SWITCH_DIAL_TIMEOUT" envDefault:"2s" help:"how long connecting and logging in to an event socket may take"`
	SwitchTimeout     time.Duration `env:"TRUNKLINE_SWITCH_TIMEOUT" envDefault:"5s" help:"how long one command on an event socket may take"`
	SwitchMaxReply    Bytes         `env:"TRUNKLINE_SWITCH_MAX_REPLY" envDefault:"64MiB" help:"the longest reply of a switch that is read, for a moment up to three times in memory; the list of 50,000 gateways has 46 MB"`

	GatewayMode    string `env:"TRUNKLINE_GATEWAY_MODE" envDefault:"auto" help:"how gateways reach the switches: database, file, or auto for what FusionPBX's default setting switch, sip_profiles says"`
	SIPProfilesDir string `env:"TRUNKLINE_SIP_PROFILES_DIR" default:"FusionPBX's default setting switch, sip_profiles" help:"in file mode, the folder that holds a folder of gateway files for each SIP profile, as workers see it"`

	Listen         string         `env:"TRUNKLINE_LISTEN" envDefault:"127.0.0.1:8090" help:"the address on which the front end listens: host:port"`
	PublicURL      string         `env:"TRUNKLINE_PUBLIC_URL" default:"http:// (https:// with TRUNKLINE_TLS_CERT) and the address of TRUNKLINE_LISTEN" help:"where callers reach the front end, such as https://pbx.example; download links begin with it"`
	TLSCert        string         `env:"TRUNKLINE_TLS_CERT" default:"none: plain HTTP, behind a proxy" help:"a file with the certificate and its chain (PEM), to serve HTTPS directly; read again when it is renewed"`
	TLSKey         string         `env:"TRUNKLINE_TLS_KEY" default:"none" help:"the file with that certificate's private key (PEM)"`
	TrustedProxies []netip.Prefix `env:"TRUNKLINE_TRUSTED_PROXIES" default:"none" help:"the proxies whose X-Forwarded-For is believed: addresses or CIDRs, separated by commas"`
	Whitelist      string         `env:"TRUNKLINE_WHITELIST" envDefault:"/etc/trunkline/chkcon_whitelist.conf" help:"the file of the addresses that may call, one IP or CIDR a line"`

	MaxBodyBytes  Bytes `env:"TRUNKLINE_MAX_BODY_BYTES" envDefault:"1MiB" most:"64MiB" help:"the largest request body"`
	MaxParams     int   `env:"TRUNKLINE_MAX_PARAMS" envDefault:"500" help:"the most parameters of a request"`
	MaxParamBytes Bytes `env:"TRUNKLINE_MAX_PARAM_BYTES" envDefault:"4KiB" help:"the longest value of a parameter"`

	BulkRows    int   `env:"TRUNKLINE_BULK_ROWS" envDefault:"10000" most:"100000" help:"the most rows of a file of gateways"`
	BulkBytes   Bytes `env:"TRUNKLINE_BULK_BYTES" envDefault:"16MiB" most:"256MiB" help:"the largest file of gateways; a proxy before Trunkline has to let it through (deploy/nginx.conf)"`
	BulkErrors  int   `env:"TRUNKLINE_BULK_ERRORS" envDefault:"1000" most:"100000" help:"how many of the errors in a file of gateways an answer lists; it counts all"`
	BulkUploads int   `env:"TRUNKLINE_BULK_UPLOADS" envDefault:"8" most:"1000" help:"how many files of gateways are read at once, per process; no domain can hold them all, and the others wait for their turn"`

	RateLimit                int `env:"TRUNKLINE_RATE_LIMIT" envDefault:"100" help:"requests a minute, per credential and address"`
	RateLimitExport          int `env:"TRUNKLINE_RATE_LIMIT_EXPORT" envDefault:"10" help:"CDR exports a minute, per credential and address"`
	RateLimitGateway         int `env:"TRUNKLINE_RATE_LIMIT_GATEWAY" envDefault:"50" help:"gateway operations a minute, per credential and address"`
	RateLimitJob             int `env:"TRUNKLINE_RATE_LIMIT_JOB" envDefault:"600" help:"questions a minute about one's own jobs, per credential and address; they take nothing from the other limits"`
	RateLimitShared          int `env:"TRUNKLINE_RATE_LIMIT_SHARED" envDefault:"5" most:"1000" help:"how many times these limits all credentials of one domain have together or, of those that see several domains, all of one user and of the tokens that it made"`
	RateLimitUnauthenticated int `env:"TRUNKLINE_RATE_LIMIT_UNAUTHENTICATED" envDefault:"60" help:"requests a minute without good credentials, per address"`

	LoginFailures        int           `env:"TRUNKLINE_LOGIN_FAILURES" envDefault:"5" help:"wrong passwords for one user from one address, of IPv6 a /64, before it is refused"`
	LoginFailuresAddress int           `env:"TRUNKLINE_LOGIN_FAILURES_ADDRESS" envDefault:"20" help:"failed logins from one address, of IPv6 a /64, whatever the names, before it is refused"`
	LoginFailuresWindow  time.Duration `env:"TRUNKLINE_LOGIN_FAILURES_WINDOW" envDefault:"10m" help:"for how long failed logins are counted, and an address or name is refused"`
	LoginDelayMax        time.Duration `env:"TRUNKLINE_LOGIN_DELAY_MAX" envDefault:"2s" least:"0" help:"the longest that the answer to a login is held back because logins failed; 0: not at all"`
	AuthLog              string        `env:"TRUNKLINE_AUTH_LOG" envDefault:"/dev/log" help:"where failed logins are written for fail2ban's FusionPBX jail: syslog's socket, a file, or none"`

	ConsoleWhitelist string        `env:"TRUNKLINE_CONSOLE_WHITELIST" default:"that of TRUNKLINE_WHITELIST" help:"the file of the addresses that may open the web console, one IP or CIDR a line"`
	ConsoleIdle      time.Duration `env:"TRUNKLINE_CONSOLE_IDLE" envDefault:"1h" help:"after how long without use a session of the console is over"`
	ConsoleLife      time.Duration `env:"TRUNKLINE_CONSOLE_LIFE" envDefault:"12h" help:"after how long a session of the console is over, however it is used"`
	ConsoleSessions  int           `env:"TRUNKLINE_CONSOLE_SESSIONS" envDefault:"20" most:"10000" help:"how many sessions one user or token may have at once, of each domain; the one that was used longest ago ends"`
	RateLimitConsole int           `env:"TRUNKLINE_RATE_LIMIT_CONSOLE" envDefault:"600" help:"requests a minute to the console, per user and address"`

	TokenGrace      time.Duration `env:"TRUNKLINE_TOKEN_GRACE" envDefault:"24h" least:"0" help:"how long the old secret of a rotated token stays valid if the rotation does not say; 0: not at all"`
	TokensPerDomain int           `env:"TRUNKLINE_TOKENS_PER_DOMAIN" envDefault:"50" help:"how many tokens that serve one domain may have"`
	AuditRetention  time.Duration `env:"TRUNKLINE_AUDIT_RETENTION" envDefault:"2160h" help:"how long the audit rows of denials and changes are kept"`
	StatusMaxAge    time.Duration `env:"TRUNKLINE_STATUS_MAX_AGE" envDefault:"1s" help:"how old the switch's counts in status may be; within it, any number of callers cost one question"`
	StatusTimeout   time.Duration `env:"TRUNKLINE_STATUS_TIMEOUT" envDefault:"1800ms" help:"how long status and registrations wait for a switch"`
	EventStreams    int           `env:"TRUNKLINE_EVENT_STREAMS" envDefault:"200" help:"how many callers may follow the events of jobs at once, per process; no domain can hold them all"`
	Always200       bool          `env:"TRUNKLINE_ALWAYS_200" envDefault:"false" help:"answer errors of the documented paths (those that end in .php) with HTTP 200 too, for clients that read only the body"`
	CredentialCache time.Duration `env:"TRUNKLINE_CREDENTIAL_CACHE" envDefault:"60s" least:"0" help:"how long a password that was right is not checked again; 0: it always is"`
	WaitDefault     time.Duration `env:"TRUNKLINE_WAIT_DEFAULT" envDefault:"4s" least:"0" help:"how long a call waits for its job before it answers 202, if the caller does not say"`
	WaitMax         time.Duration `env:"TRUNKLINE_WAIT_MAX" envDefault:"20s" least:"0" help:"the longest such wait that a caller can ask for"`

	ExportDir             string        `env:"TRUNKLINE_EXPORT_DIR" envDefault:"/var/lib/trunkline/exports" help:"the folder of export files; front ends and workers must see the same one. With TRUNKLINE_EXPORT_STORE, where each writes files before they are in the bucket"`
	ExportStore           Secret        `env:"TRUNKLINE_EXPORT_STORE" public:"url" default:"none: the folder of TRUNKLINE_EXPORT_DIR" help:"a bucket of S3 or its likes for export files, in place of the folder: s3://bucket/prefix?region=REGION, and for servers other than Amazon's &endpoint=https://host:port&path_style=true (docs/exports.md)"`
	ExportStoreAccessKey  Secret        `env:"TRUNKLINE_EXPORT_STORE_ACCESS_KEY" default:"none" help:"the access key for that bucket"`
	ExportStoreSecretKey  Secret        `env:"TRUNKLINE_EXPORT_STORE_SECRET_KEY" default:"none" help:"the secret key that belongs to it"`
	ExportStoreCA         string        `env:"TRUNKLINE_EXPORT_STORE_CA" default:"the system's" help:"a file of certificates (PEM), one of which must have signed that server's own"`
	ExportStoreRedirect   bool          `env:"TRUNKLINE_EXPORT_STORE_REDIRECT" envDefault:"false" help:"send who downloads to the bucket, by a link that lives a minute; callers must reach it"`
	SyncExportRows        int           `env:"TRUNKLINE_SYNC_EXPORT_ROWS" envDefault:"5000" least:"0" help:"the most CDRs that an export answers at once; more becomes a job"`
	JobRequests           int           `env:"TRUNKLINE_JOB_REQUESTS" envDefault:"6" most:"1000" help:"how many domains' requests for provisioning are judged and accepted at once, and how many requests about many gateways besides, per process; no domain can hold them all, and the others wait for their turn"`
	CDRReads              int           `env:"TRUNKLINE_CDR_READS" envDefault:"4" most:"1000" help:"how many usage questions and small exports are read at once, per process; no domain can hold them all, what waits longer is refused, and an export becomes a job"`
	DownloadTTL           time.Duration `env:"TRUNKLINE_DOWNLOAD_TTL" envDefault:"24h" help:"how long a download link is good"`
	Downloads             int           `env:"TRUNKLINE_DOWNLOADS" envDefault:"200" help:"how many files may be downloaded at once, per process; one address, of IPv6 a /64, has at most half of them, and no domain can hold them all"`
	ExportRetention       time.Duration `env:"TRUNKLINE_EXPORT_RETENTION" envDefault:"720h" help:"how long an export file is kept"`
	ExportMinFreeBytes    Bytes         `env:"TRUNKLINE_EXPORT_MIN_FREE_BYTES" envDefault:"1GiB" least:"0" help:"the free space in the folder of TRUNKLINE_EXPORT_DIR below which no export is written"`
	ExportDomainBytes     Bytes         `env:"TRUNKLINE_EXPORT_DOMAIN_BYTES" envDefault:"10GiB" help:"how many bytes the kept export files of one domain may have before it gets no more"`
	ExportDatabaseURL     Secret        `env:"TRUNKLINE_EXPORT_DATABASE_URL" default:"none: exports read the database itself" help:"a standby of the database, which export jobs read: postgres://user:password@host:port/database"`
	ExportReplicaWait     time.Duration `env:"TRUNKLINE_EXPORT_REPLICA_WAIT" envDefault:"1m" help:"how long an export waits for a standby that is behind before it is put off and tried again"`
	ExportConnections     int           `env:"TRUNKLINE_EXPORT_CONNECTIONS" default:"half as many as there are cores, at least 1" least:"0" most:"64" help:"how many connections one export job reads through, if there is an index on start_stamp (trunkline migrate --cdr-index)"`
	ExportConnectionShare int           `env:"TRUNKLINE_EXPORT_CONNECTION_SHARE" envDefault:"25" most:"100" help:"the share of the database's max_connections that further connections of export jobs may have, in percent, over all processes"`
	ExportDays            int           `env:"TRUNKLINE_EXPORT_DAYS" default:"none: of any length" least:"0" most:"36525" help:"the most days that one export may be of"`
	ExportSliceRows       int           `env:"TRUNKLINE_EXPORT_SLICE_ROWS" envDefault:"20000" least:"100" help:"after how many rows an export job begins a new slice of its file: what is finished is not written again after a crash"`
	ExportSnapshotAge     time.Duration `env:"TRUNKLINE_EXPORT_SNAPSHOT_AGE" envDefault:"1h" help:"how long an export job holds one snapshot of the database, which keeps it from cleaning up; then it goes on with a new one"`
	CSVFormulaGuard       bool          `env:"TRUNKLINE_CSV_FORMULA_GUARD" envDefault:"true" help:"disarm CSV values that a spreadsheet would run as a formula"`

	ProvisionConcurrency int           `env:"TRUNKLINE_PROVISION_CONCURRENCY" envDefault:"128" most:"1000" help:"how many provision jobs a worker runs at a time"`
	ExportConcurrency    int           `env:"TRUNKLINE_EXPORT_CONCURRENCY" envDefault:"2" most:"1000" help:"how many export jobs a worker runs at a time"`
	BulkConcurrency      int           `env:"TRUNKLINE_BULK_CONCURRENCY" envDefault:"2" most:"1000" help:"how many bulk jobs a worker runs at a time"`
	DeliverConcurrency   int           `env:"TRUNKLINE_DELIVER_CONCURRENCY" envDefault:"16" most:"1000" help:"how many deliveries a worker has under way at a time"`
	QueuedJobs           int           `env:"TRUNKLINE_QUEUED_JOBS" envDefault:"1000" most:"1000000" help:"how many jobs of one domain may wait for their turn in a queue; suspensions and deletions have as much room of their own"`
	QueuedItems          int           `env:"TRUNKLINE_QUEUED_ITEMS" envDefault:"100000" help:"how many rows the bulk jobs of one domain that wait for their turn may have together"`
	RoundChanges         int           `env:"TRUNKLINE_ROUND_CHANGES" envDefault:"10000" help:"the most gateways that one round on a switch changes; the rest waits for the next round"`
	SwitchSettling       time.Duration `env:"TRUNKLINE_SWITCH_SETTLING" envDefault:"1m" help:"for how long after a start of FreeSWITCH or Postgres a profile or gateway that is missing is waited for, within the job's time"`
	RoundKills           int           `env:"TRUNKLINE_ROUND_KILLS" envDefault:"500" help:"the most gateways that one round on a switch kills, to load them again or for good"`
	ProvisionTimeout     time.Duration `env:"TRUNKLINE_PROVISION_TIMEOUT" envDefault:"60s" help:"how long one attempt at a provision job may take"`
	BulkTimeout          time.Duration `env:"TRUNKLINE_BULK_TIMEOUT" envDefault:"1h" help:"how long one attempt at a bulk job may take"`
	ExportTimeout        time.Duration `env:"TRUNKLINE_EXPORT_TIMEOUT" envDefault:"6h" help:"how long one attempt at an export job may take, and after how long without a finished slice one is given up"`

	SchedulesPerDomain    int            `env:"TRUNKLINE_SCHEDULES_PER_DOMAIN" envDefault:"50" most:"10000" help:"how many schedules one domain may have, and how many there may be of all domains"`
	ScheduleInterval      time.Duration  `env:"TRUNKLINE_SCHEDULE_INTERVAL" envDefault:"1s" help:"how often the scheduler looks for schedules that are due"`
	ScheduleCatchUp       int            `env:"TRUNKLINE_SCHEDULE_CATCH_UP" envDefault:"2" most:"100" help:"how many windows of one schedule are exported at once, when several have become due"`
	ScheduleLate          time.Duration  `env:"TRUNKLINE_SCHEDULE_LATE" envDefault:"168h" help:"for how long after a schedule's export CDRs are looked for that came after it; its keys take 8 bytes a CDR meanwhile"`
	ScheduleRetention     time.Duration  `env:"TRUNKLINE_SCHEDULE_RETENTION" envDefault:"2160h" help:"how long a window that a schedule has exported stays in its history; longer while its job's record is kept or CDRs of it may come late, and until something is done about it if it failed"`
	ScheduleBackfill      int            `env:"TRUNKLINE_SCHEDULE_BACKFILL" envDefault:"400" most:"10000" help:"how many windows of backfills a schedule may have at once that are not over"`
	DeliveryDir           string         `env:"TRUNKLINE_DELIVERY_DIR" default:"the folder delivered in TRUNKLINE_EXPORT_DIR" help:"the folder below which destinations of kind folder lie, as workers see it; those of a domain in one that is called as its uuid"`
	DeliveryDomainBytes   Bytes          `env:"TRUNKLINE_DELIVERY_DOMAIN_BYTES" envDefault:"10GiB" help:"how many bytes the files in a domain's folder below TRUNKLINE_DELIVERY_DIR may have before no more are put there"`
	DeliveryNetworks      []netip.Prefix `env:"TRUNKLINE_DELIVERY_NETWORKS" default:"none: the public internet alone" help:"addresses or CIDRs, separated by commas, to which files and messages may be delivered besides, as to 10.0.0.5 of a network of one's own; for the destinations of every domain alike"`
	DeliveryCA            string         `env:"TRUNKLINE_DELIVERY_CA" default:"none: the system's alone" help:"a file of certificates (PEM) of authorities, by which those of destinations may be signed besides"`
	WebhookTimeout        time.Duration  `env:"TRUNKLINE_WEBHOOK_TIMEOUT" envDefault:"15s" help:"how long the receiver of a message may take to answer"`
	WebhookGrace          time.Duration  `env:"TRUNKLINE_WEBHOOK_GRACE" envDefault:"24h" least:"0" help:"how long messages are signed with the old secret of a receiver too after it was replaced, if the replacement does not say; 0: not at all"`
	DestinationsPerDomain int            `env:"TRUNKLINE_DESTINATIONS_PER_DOMAIN" envDefault:"50" most:"1000" help:"how many destinations one domain may have"`
	DestinationTests      int            `env:"TRUNKLINE_DESTINATION_TESTS" envDefault:"8" most:"1000" help:"how many destinations are tested at once, per process; no domain can hold them all, and the others wait for their turn"`
	DeliverTimeout        time.Duration  `env:"TRUNKLINE_DELIVER_TIMEOUT" envDefault:"1h" help:"how long one attempt at a delivery may take"`
	DeliverLeastRate      Bytes          `env:"TRUNKLINE_DELIVER_LEAST_RATE" envDefault:"256KiB" least:"0" help:"how many bytes a second go to or from an SFTP server or a bucket, at least, or a delivery to it is put off while deliveries of other domains wait for its slot; 0: it is not"`
	DeliverSlowAfter      time.Duration  `env:"TRUNKLINE_DELIVER_SLOW_AFTER" envDefault:"30s" help:"over how long that rate is measured"`
	DeliverRetryFor       time.Duration  `env:"TRUNKLINE_DELIVER_RETRY_FOR" envDefault:"24h" help:"for how long a delivery that may yet succeed is tried again"`
	DeliverRetryFirst     time.Duration  `env:"TRUNKLINE_DELIVER_RETRY_FIRST" envDefault:"10s" help:"after about how long a delivery is tried again at first; each time after twice as long"`
	DeliverRetryMost      time.Duration  `env:"TRUNKLINE_DELIVER_RETRY_MOST" envDefault:"30m" help:"the longest that a delivery waits until it is tried again"`

	ProvisionPoll     time.Duration `env:"TRUNKLINE_PROVISION_POLL" envDefault:"10ms" help:"how often an idle worker looks for a provision job; a person waits for it"`
	ExportPoll        time.Duration `env:"TRUNKLINE_EXPORT_POLL" envDefault:"25ms" help:"how often an idle worker looks for an export job"`
	BulkPoll          time.Duration `env:"TRUNKLINE_BULK_POLL" envDefault:"25ms" help:"how often an idle worker looks for a bulk job"`
	DeliverPoll       time.Duration `env:"TRUNKLINE_DELIVER_POLL" envDefault:"25ms" help:"how often an idle worker looks for a delivery"`
	StatePoll         time.Duration `env:"TRUNKLINE_STATE_POLL" envDefault:"30s" help:"how often a worker asks each switch how its gateways stand, beside the events that tell of changes"`
	GatewayStateHold  time.Duration `env:"TRUNKLINE_GATEWAY_STATE_HOLD" envDefault:"30s" least:"0" help:"for how long a gateway has to be up or down before those who are subscribed to gateway.state are told"`
	HeartbeatInterval time.Duration `env:"TRUNKLINE_HEARTBEAT_INTERVAL" envDefault:"500ms" help:"how often a worker writes a running job's heartbeat, and looks whether the job was cancelled"`
	HeartbeatTimeout  time.Duration `env:"TRUNKLINE_HEARTBEAT_TIMEOUT" envDefault:"10s" help:"how old a running job's heartbeat may be before another worker gets the job; more than twice TRUNKLINE_HEARTBEAT_INTERVAL"`
	SweepInterval     time.Duration `env:"TRUNKLINE_SWEEP_INTERVAL" envDefault:"1s" help:"how often the scheduler looks for jobs that were lost"`

	JobMaxAttempts  int           `env:"TRUNKLINE_JOB_MAX_ATTEMPTS" envDefault:"25" help:"after how many attempts a job has failed"`
	JobRetention    time.Duration `env:"TRUNKLINE_JOB_RETENTION" envDefault:"720h" help:"how long the record of an ended job is kept"`
	SecretRetention time.Duration `env:"TRUNKLINE_SECRET_RETENTION" envDefault:"24h" help:"how long the sealed secrets of a failed job are kept, so that it can be retried"`
	ShutdownTimeout time.Duration `env:"TRUNKLINE_SHUTDOWN_TIMEOUT" envDefault:"30s" least:"0" help:"how long running work may take to finish at a shutdown before it is handed back"`

	// SecretKey is read by LoadSecretKey.
	SecretKey       Secret `env:"TRUNKLINE_SECRET_KEY" public:"path" envDefault:"/var/lib/trunkline/secret.key" help:"the key that seals secrets and signs links: 64 hex digits, base64 of 32 bytes, or the absolute path of a file with either"`
	FusionPBXConfig string `env:"TRUNKLINE_FUSIONPBX_CONFIG" envDefault:"/etc/fusionpbx/config.conf" help:"FusionPBX's own configuration, from which database and event socket come if they are not set"`

	LogLevel  slog.Level `env:"TRUNKLINE_LOG_LEVEL" envDefault:"info" help:"the least that is logged: debug, info, warn or error"`
	LogFormat string     `env:"TRUNKLINE_LOG_FORMAT" envDefault:"text" help:"text or json"`

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
