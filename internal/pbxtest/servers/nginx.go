package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// debianNginx is where Debian and Ubuntu keep nginx, off the PATH of whoever is not root.
	debianNginx = "/usr/sbin/nginx"

	nginxPatience = 10 * time.Second
)

// nginxMain is the configuration around what is under test: all that nginx writes is in one folder, and
// nothing runs in the background.
const nginxMain = `
daemon off;
%[2]s
worker_processes 1;
pid %[1]s/nginx.pid;
error_log stderr warn;
events { worker_connections 256; }
http {
	access_log off;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	include %[1]s/site.conf;
}
`

// findNginx returns the program's path, or says what to install.
func findNginx() (string, error) {
	if path, err := exec.LookPath("nginx"); err == nil {
		return filepath.Abs(path)
	}
	if _, err := os.Stat(debianNginx); err == nil {
		return debianNginx, nil
	}
	return "", errors.New("nginx is not installed: `make test` installs it on Debian and Ubuntu; by hand: apt-get install nginx-light; elsewhere install nginx so that it is in PATH")
}

// Nginx is a private nginx that runs one site.
type Nginx struct {
	process     *process
	dir         string
	listen, log string
}

// StartNginx starts a private nginx, with all its files in dir, and returns once it takes connections.
// site returns the configuration that stands in http { }, which must listen at that host:port alone;
// files are others beside it, by their path relative to it, which it may include. It is asked again,
// with another port, if somebody else took the first.
func StartNginx(ctx context.Context, dir string, site func(listen string) string, files map[string]string) (*Nginx, error) {
	program, err := findNginx()
	if err != nil {
		return nil, err
	}
	for attempt := range portAttempts {
		var n *Nginx
		n, err = startNginx(ctx, program, filepath.Join(dir, strconv.Itoa(attempt)), site, files)
		if err == nil {
			return n, nil
		}
		if !errors.Is(err, errPortTaken) {
			break
		}
	}
	return nil, fmt.Errorf("starting a private nginx: %w", err)
}

// Addr is the host:port at which it listens.
func (n *Nginx) Addr() string { return n.listen }

// Log is the end of what it logged.
func (n *Nginx) Log() string { return tail(n.log) }

// Close stops it and waits until it is gone.
func (n *Nginx) Close() error {
	return n.process.stop(nginxPatience, syscall.SIGTERM, syscall.SIGKILL)
}

func startNginx(ctx context.Context, program, dir string, site func(listen string) string, files map[string]string) (*Nginx, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	n := &Nginx{dir: dir, listen: fmt.Sprintf("127.0.0.1:%d", port), log: filepath.Join(dir, "nginx.log")}
	user := ""
	if os.Geteuid() == 0 {
		user = "user root;" // the folder is closed to every other account
	}
	write := map[string]string{"nginx.conf": fmt.Sprintf(nginxMain, dir, user), "site.conf": site(n.listen)}
	for name, content := range files {
		write[name] = content
	}
	for name, content := range write {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(content), 0o600)); err != nil {
			return nil, fmt.Errorf("writing nginx's configuration: %w", err)
		}
	}
	log, err := newLog(n.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	// -e: the built-in place of the log until the configuration is read may be closed to this user.
	cmd := exec.Command(program, "-e", "stderr", "-p", dir, "-c", filepath.Join(dir, "nginx.conf"))
	cmd.Stdout, cmd.Stderr = log, log
	if n.process, err = startProcess(cmd, syscall.SIGTERM); err != nil {
		return nil, err
	}
	if err := n.process.awaitReady(ctx, n.log, "Address already in use", n.answers); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// answers says whether this very nginx takes connections there: it writes its pid once the port is its own.
func (n *Nginx) answers(ctx context.Context) bool {
	pid, err := os.ReadFile(filepath.Join(n.dir, "nginx.pid"))
	if err != nil || strings.TrimSpace(string(pid)) != strconv.Itoa(n.process.pid) {
		return false
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", n.listen)
	if err != nil {
		return false
	}
	return conn.Close() == nil
}
