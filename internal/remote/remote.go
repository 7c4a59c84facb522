// Package remote is the commands that ask Trunkline's HTTP API, and so work from anywhere: they need a token, and
// neither settings of the server nor its database. It must not know how anything is done there.
package remote

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"
	"golang.org/x/term"

	"trunkline/internal/atomicfile"
	"trunkline/internal/client"
	"trunkline/internal/commandline"
	"trunkline/internal/config"
)

// Program is what each command's Run gets: how long it may run, and where it reads and writes.
type Program struct {
	ctx      context.Context
	environ  []string
	in       io.Reader
	out, err io.Writer
	// ask asks whoever sits at the terminal. It is nil if nobody does.
	ask func(question string) (yes bool, err error)
	// live says that err is a terminal, on which a line can be drawn over.
	live bool
}

// NewProgram returns what the commands work with.
func NewProgram(ctx context.Context, environ []string, in io.Reader, out, err io.Writer) *Program {
	p := &Program{ctx: ctx, environ: environ, in: in, out: out, err: err, live: isTerminal(err)}
	if isTerminal(in) && p.live {
		p.ask = p.askTerminal
	}
	return p
}

func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

func (p *Program) printf(format string, args ...any) { fmt.Fprintf(p.out, format, args...) }

// tell writes a line that is no part of the output.
func (p *Program) tell(format string, args ...any) { fmt.Fprintf(p.err, format+"\n", args...) }

// environment is the last value of the name, "" for none.
func (p *Program) environment(name string) (value string) {
	for _, pair := range p.environ {
		if v, found := strings.CutPrefix(pair, name+"="); found {
			value = v
		}
	}
	return value
}

// askTerminal asks, and takes nothing but a clear yes for one. Ctrl-C ends the waiting too.
func (p *Program) askTerminal(question string) (bool, error) {
	fmt.Fprintf(p.err, "%s [y/N] ", question)
	answers := make(chan string, 1)
	go func() {
		// An input that ends, or fails, is no yes.
		line, _ := bufio.NewReader(p.in).ReadString('\n')
		answers <- line
	}()
	select {
	case <-p.ctx.Done():
		return false, &commandline.Ended{Status: statusInterrupted, Err: errors.New("interrupted; nothing was changed")}
	case line := <-answers:
		line = strings.ToLower(strings.TrimSpace(line))
		return line == "y" || line == "yes", nil
	}
}

// Exit statuses beside 0, 1 for what failed and 2 for a wrong command line.
const (
	statusPartial     = 3
	statusCancelled   = 4
	statusDrift       = 5
	statusInterrupted = 130 // as shells have it for Ctrl-C
)

// statusHelp is the help's paragraph on them.
const statusHelp = `Exit status: 0 done, 1 failed, 2 wrong command line, 3 done in part, 4 cancelled, 130 interrupted while a job goes on.`

const defaultURL = "http://127.0.0.1:8090"

// ConnectionFlags is the group of Connection's flags in a help.
var ConnectionFlags = kong.Group{Key: "connection", Title: "Flags that say whom to ask:"}

// Connection are the flags that say whom a command asks.
type Connection struct {
	URL       string `group:"connection" placeholder:"URL" help:"Where the API is, such as https://pbx.example; without it TRUNKLINE_URL, else http://127.0.0.1:8090."`
	TokenFile string `group:"connection" placeholder:"FILE" help:"Read the token from FILE; without it TRUNKLINE_TOKEN, or the file that TRUNKLINE_TOKEN_FILE names. There is no flag for a token, which everybody on this host could see."`
	CA        string `name:"ca" group:"connection" placeholder:"FILE" help:"Believe the certificate authorities in FILE (PEM) too; without it those of TRUNKLINE_CA."`
	PlainHTTP bool   `name:"plain-http" group:"connection" help:"Allow http:// to another host, over which the token goes unencrypted."`
}

// session is one run of a command: what it works with, and whom it asks.
type session struct {
	*Program
	api *client.Client
}

// ProvideSession is where kong finds what the Run of a command asks for.
func (c *Connection) ProvideSession(p *Program) (*session, error) {
	token, err := c.token(p)
	if err != nil {
		return nil, err
	}
	options := client.Options{
		URL: cmp.Or(c.URL, p.environment(config.ClientURL), defaultURL), Token: token, PlainHTTP: c.PlainHTTP,
		Note: func(text string) { p.tell("%s", visible(text)) },
	}
	if path := cmp.Or(c.CA, p.environment(config.ClientCA)); path != "" {
		if options.CA, err = atomicfile.Read(path); err != nil {
			return nil, fmt.Errorf("reading the certificate authorities (--ca): %w", err)
		}
	}
	api, err := client.New(options)
	if err != nil {
		return nil, err
	}
	return &session{Program: p, api: api}, nil
}

// token is the token to send.
func (c *Connection) token(p *Program) (string, error) {
	path := c.TokenFile
	if path == "" {
		if token := p.environment(config.ClientToken); token != "" {
			return token, nil
		}
		path = p.environment(config.ClientTokenFile)
	}
	if path == "" {
		return "", errors.New("there is no token; put one into TRUNKLINE_TOKEN, or into a file that --token-file or TRUNKLINE_TOKEN_FILE names (on the server, trunkline token create makes one)")
	}
	text, err := atomicfile.Read(path)
	if err != nil {
		return "", fmt.Errorf("reading the token (--token-file): %w", err)
	}
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o044 != 0 {
		p.tell("WARNING: others on this host may read the token in %s; chmod 600 %[1]s", visible(path))
	}
	return strings.TrimSpace(string(text)), nil
}
