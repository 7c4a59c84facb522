package sample

// callerNames are what most callers are called.
var callerNames = []string{
	"Alice Baker", "Bob Carter", "Carol Diaz", "David Evans", "Erin Foster", "Frank Green",
	"Grace Hill", "Henry Irwin", "Irene Jones", "Jack Kelly", "Karen Lopez", "Liam Moore",
	"Mary Nolan", "Noah Owens", "Olive Price", "Peter Quinn", "Rosa Reyes", "Sam Stone",
	"Tina Usher", "Victor White", "Jürgen Müller", "Zoë Łukasiewicz", "ANONYMOUS", "WIRELESS CALLER",
}

// HostileCallerNames are the caller names of every fiftieth sample call, in turn: whatever a caller's
// phone likes to send, each a trap for some way of writing or reading a file.
var HostileCallerNames = []string{
	`Say "hello"`, `"`, `'; drop table v_xml_cdr; --`,
	"Smith, John", "a;b", `back\slash`,
	"two\nlines", "carriage\rreturn", "both\r\nof them", "tab\tbed", " spaces around ", "",
	`=cmd|'/c calc'!A1`, "+1 555 0100", "-1+2", "@SUM(1+1)", "$(reboot)", "${sofia_contact}",
	"<b>bold</b>", "</cdr>", "<![CDATA[x]]>", "]]>", "Tom & Jerry", "&amp;", "&#0;",
	"Søren Ærø", "李雷", "שלום", "😀 smile", "e\u0301 combining", "\ufeffmark", "\uffff last",
	"line\u2028separator", "bell\x07", "escape\x1b[31m", "unit\x1fseparator", "delete\x7f", "\u0085next", "\x01\x02\x03",
	"NULL", `\N`, `\.`, "%s%n", "../../etc/passwd",
}

// InvalidCallerNames are among the hostile ones too if the database is SQL_ASCII, which takes bytes
// that are no UTF-8: Latin-1, a lone continuation byte, a character cut short, a surrogate, a slash
// in two bytes.
var InvalidCallerNames = []string{"J\xfcrgen", "\x80", "cut short \xc3", "\xed\xa0\x80", "\xc0\xaf"}
