package fault

// Code names a kind of fault. It is the `code` of an HTTP answer and of a job that failed, and stable:
// callers may rely on it. It is plain text in rows, labels and answers.
type Code = string

// What is wrong with a request.
const (
	InvalidRequest     Code = "invalid_request"
	MissingParameters  Code = "missing_parameters"
	CredentialsInQuery Code = "credentials_in_query"
	NotFound           Code = "not_found"
	MethodNotAllowed   Code = "method_not_allowed"
	TooLarge           Code = "too_large"
	InvalidRows        Code = "invalid_rows" // a file of which rows are wrong; each has a code of its own
	KeyReused          Code = "key_reused"
	KeySuperseded      Code = "key_superseded" // what the key's request did was changed since
	Conflict           Code = "conflict"
	PreconditionFailed Code = "precondition_failed" // If-Match or If-None-Match does not hold
	JobState           Code = "job_state"           // the job's state does not allow it
	Gone               Code = "gone"
	Lockout            Code = "lockout" // the whitelist would lock its editor out
	NotWritable        Code = "not_writable"
)

// Why a caller is not let in.
const (
	NotWhitelisted       Code = "not_whitelisted"
	UntrustedProxy       Code = "untrusted_proxy"
	UnknownAddress       Code = "unknown_address"
	AuthenticationFailed Code = "authentication_failed"
	TOTPRequired         Code = "totp_required"
	Forbidden            Code = "forbidden"
	CrossSite            Code = "cross_site" // a page of another site asks for a change
	InvalidLink          Code = "invalid_link"
	LinkExpired          Code = "link_expired"
	RateLimited          Code = "rate_limited"
)

// What is wrong with a gateway or with the switches.
const (
	InvalidGateway      Code = "invalid_gateway"
	ProfileUnavailable  Code = "profile_unavailable"
	GatewayNotLoaded    Code = "gateway_not_loaded"
	SwitchUnavailable   Code = "switch_unavailable"
	SwitchTimeout       Code = "switch_timeout"
	SwitchConfiguration Code = "switch_configuration"
	RegistrationFailed  Code = "registration_failed" // the carrier refuses it
)

// What is wrong with a destination of files or messages.
const (
	DeliveryRefused Code = "delivery_refused" // it was reached and does not take what is sent: a wrong login or key, no right to write
)

// Why a job or an answer was not finished.
const (
	Timeout             Code = "timeout"
	Cancelled           Code = "cancelled"
	WorkerLost          Code = "worker_lost"
	Superseded          Code = "superseded" // a later request changed what this one waited for
	Skipped             Code = "skipped"    // nothing is wrong with it: another change failed, and it was to be all or none
	InsufficientStorage Code = "insufficient_storage"
	Unavailable         Code = "unavailable" // the database or another part does not answer
	ServerError         Code = "server_error"
)
