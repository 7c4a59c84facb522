// Package fssim is a simulated FreeSWITCH: its event socket, and behind it what the recordings of a real
// one in testdata say. It knows FusionPBX's tables where a real switch reads them by FusionPBX's scripts,
// and nothing of who calls it. It is for the demo, measurements and tests alone.
package fssim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"
)

const (
	// Password is the event socket's password as FreeSWITCH ships it, and so the simulated one's.
	Password = "ClueCon"
	// portPatience is how long a port is waited for that another connection has, and portPoll how often it
	// is tried.
	portPatience, portPoll = 10 * time.Second, 10 * time.Millisecond
	// defaultSwitchName is what `hostname` and `switchname` answer unless told otherwise.
	defaultSwitchName = "pbxtest"
	// defaultSwitchDomain is an alias of the profile internal, and the global variable domain.
	defaultSwitchDomain = "pbx.example"
)

// Options say what a simulated FreeSWITCH is like. The zero value is a switch with the profiles
// external and internal, no gateways, the password ClueCon and short times.
type Options struct {
	Listen     string // host:port of the event socket; a free port of 127.0.0.1 if empty
	Password   string // of the event socket; ClueCon if empty
	Hostname   string // what `api hostname` answers; pbxtest if empty
	SwitchName string // what `api switchname` answers; Hostname if empty
	Domain     string // an alias of the profile internal; pbx.example if empty

	// Gateways is asked for sofia.conf when a rescan finds none in the cache: see [GatewaysFromDatabase].
	// It is given the switch's host name and answers, for each SIP profile that has a configuration, the
	// XML between <gateways> and </gateways>. A rescan of a profile that is not in the map says that it
	// has no configuration. nil stands for profiles without gateways.
	Gateways func(ctx context.Context, hostname string) (map[string]string, error)

	// AccessLists is asked for acl.conf when reloadacl finds none in the cache: see [AccessListsFromDatabase]. It
	// answers, for each list, the networks that it allows. nil stands for none.
	AccessLists func(ctx context.Context) (map[string][]string, error)

	// GatewayFiles is the folder that holds a folder of gateway files for each of Profiles: if it is set,
	// gateways come from these files in place of Gateways, as on a host where FusionPBX keeps them so.
	GatewayFiles string

	// Profiles are the SIP profiles that run; external and internal if nil.
	Profiles []string

	// RealTimes takes the times that were measured on a real FreeSWITCH: 1.9 s and more until a gateway
	// is registered, up to 1 s (NOREG) or 2 s (others) until a killed one is gone, 1.2 ms for a rescan of
	// one gateway and 40 ms for 1,000. Otherwise a gateway is registered after 40 ms and gone 40 ms (NOREG)
	// or 80 ms after it was killed.
	RealTimes bool

	// CacheKeyStyle is the FusionPBX version whose cache key sofia.conf is kept under: "5.5" (the default)
	// for HOSTNAME:configuration:sofia.conf, "5.4" for configuration:sofia.conf:SWITCHNAME.
	CacheKeyStyle string
}

// Switch is a simulated FreeSWITCH: its event socket, and behind it gateways, registrations, events and
// FusionPBX's cached configuration, all by the rules that recordings of a real one fix. Its methods may
// be called at any time from any goroutine.
type Switch struct {
	opts     Options
	started  time.Time
	coreUUID string
	times    switchTimes
	addr     string
	config   switchConfig
	faults   switchFaults
	log      commandLog
	written  atomic.Int64 // bytes, on all connections

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup // the accept loop and the connections

	// mu guards what the switch has loaded. It is never held while something is waited for.
	mu            sync.Mutex
	profiles      []*profile
	registrations []Registration
	channels      []Channel
	outcome       func(params map[string]string) Outcome
	sequence      int // of the last event

	netMu    sync.Mutex
	listener net.Listener
	reserved *os.File // keeps the port while the switch is stopped
	conns    map[*switchConn]struct{}
	closed   bool
}

// Start starts a simulated FreeSWITCH. No gateway is loaded until a rescan or LoadProfiles; the
// caller closes it.
func Start(opts Options) (*Switch, error) {
	opts = opts.withDefaults()
	if opts.CacheKeyStyle != "5.5" && opts.CacheKeyStyle != "5.4" {
		return nil, fmt.Errorf("starting the simulated FreeSWITCH: CacheKeyStyle is %q, but must be 5.5 or 5.4", opts.CacheKeyStyle)
	}
	listener, err := net.Listen("tcp", opts.Listen)
	if err != nil {
		return nil, fmt.Errorf("starting the simulated FreeSWITCH: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Switch{
		opts: opts, started: time.Now(), coreUUID: uuid.NewString(), times: shortTimes, addr: listener.Addr().String(),
		ctx: ctx, cancel: cancel, conns: map[*switchConn]struct{}{},
	}
	if opts.RealTimes {
		s.times = realTimes
	}
	for _, name := range opts.Profiles {
		s.profiles = append(s.profiles, &profile{name: name, port: sipPort(name, len(s.profiles)), running: true, since: s.started})
	}
	slices.SortFunc(s.profiles, func(a, b *profile) int { return strings.Compare(a.name, b.name) })
	s.netMu.Lock()
	defer s.netMu.Unlock()
	s.serve(listener)
	return s, nil
}

func (o Options) withDefaults() Options {
	set := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	set(&o.Listen, "127.0.0.1:0")
	set(&o.Password, Password)
	set(&o.Hostname, defaultSwitchName)
	set(&o.SwitchName, o.Hostname)
	set(&o.Domain, defaultSwitchDomain)
	set(&o.CacheKeyStyle, "5.5")
	if o.Profiles == nil {
		o.Profiles = []string{"external", "internal"}
	}
	return o
}

// Addr is the event socket's host:port. It stays the same through Stop and Restart.
func (s *Switch) Addr() string { return s.addr }

// serve accepts connections until the listener is closed. netMu is held.
func (s *Switch) serve(listener net.Listener) {
	s.listener = listener
	s.wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.accept(conn)
		}
	})
}

func (s *Switch) accept(conn net.Conn) {
	c := newSwitchConn(s, conn)
	s.netMu.Lock()
	defer s.netMu.Unlock()
	if s.closed || s.listener == nil {
		conn.Close()
		return
	}
	s.conns[c] = struct{}{}
	s.wg.Go(func() {
		c.run()
		s.netMu.Lock()
		defer s.netMu.Unlock()
		delete(s.conns, c)
	})
}

// Stop ends all connections without a word and refuses new ones until Restart, as a network that is down
// does. What the switch has loaded stays loaded.
func (s *Switch) Stop() error { return s.stop("") }

// Shutdown is Stop with the notice that FreeSWITCH sends if it is shut down in order.
func (s *Switch) Shutdown() error { return s.stop(shutdownNotice) }

func (s *Switch) stop(notice string) error {
	s.netMu.Lock()
	defer s.netMu.Unlock()
	if s.listener == nil {
		return nil
	}
	err := s.listener.Close()
	s.listener = nil
	if s.reserved, err = reservePort(s.addr, err); err != nil {
		return fmt.Errorf("stopping the simulated FreeSWITCH: %w", err)
	}
	for c := range s.conns {
		c.end(notice)
	}
	return nil
}

// Restart takes connections again after Stop, at the same port.
func (s *Switch) Restart() error {
	s.netMu.Lock()
	defer s.netMu.Unlock()
	if s.listener != nil || s.closed {
		return nil
	}
	listener, err := listenReserved(s.reserved)
	if err != nil {
		return fmt.Errorf("restarting the simulated FreeSWITCH: %w", err)
	}
	s.reserved = nil
	s.serve(listener)
	return nil
}

// Close ends the switch and waits for all that it started.
func (s *Switch) Close() error {
	err := s.close()
	s.wg.Wait()
	return err
}

func (s *Switch) close() error {
	s.cancel()
	s.netMu.Lock()
	defer s.netMu.Unlock()
	s.closed = true
	var errs []error
	if s.listener != nil {
		errs = append(errs, s.listener.Close())
		s.listener = nil
	}
	if s.reserved != nil {
		errs = append(errs, s.reserved.Close())
		s.reserved = nil
	}
	for c := range s.conns {
		c.end("")
	}
	return errors.Join(errs...)
}

// reservePort binds the port again without listening at it: connections are refused, and nobody else is
// given the port in the meantime.
func reservePort(addr string, closing error) (*os.File, error) {
	if closing != nil {
		return nil, closing
	}
	tcp, err := net.ResolveTCPAddr("tcp4", addr)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return nil, fmt.Errorf("making a socket to keep port %d: %w", tcp.Port, err)
	}
	unix.CloseOnExec(fd)
	file := os.NewFile(uintptr(fd), "reserved port")
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return nil, errors.Join(fmt.Errorf("keeping port %d: %w", tcp.Port, err), file.Close())
	}
	if err := bindSoon(fd, &unix.SockaddrInet4{Port: tcp.Port, Addr: [4]byte(tcp.IP.To4())}); err != nil {
		return nil, errors.Join(fmt.Errorf("keeping port %d: %w", tcp.Port, err), file.Close())
	}
	return file, nil
}

// bindSoon binds the port. A connection of another process may just have been given it, since nobody
// listened there for a moment: such a one ends.
func bindSoon(fd int, addr unix.Sockaddr) error {
	until := time.Now().Add(portPatience)
	for {
		err := unix.Bind(fd, addr)
		if !errors.Is(err, unix.EADDRINUSE) || time.Now().After(until) {
			return err
		}
		time.Sleep(portPoll)
	}
}

// listenReserved turns a reserved port into a listener.
func listenReserved(reserved *os.File) (net.Listener, error) {
	if reserved == nil {
		return nil, errors.New("its port was not kept")
	}
	defer reserved.Close()
	if err := unix.Listen(int(reserved.Fd()), unix.SOMAXCONN); err != nil {
		return nil, err
	}
	return net.FileListener(reserved)
}

// shortPause is what a timer of the runtime, which counts in milliseconds, is too coarse for.
const shortPause = 5 * time.Millisecond

// pause waits, and reports false if the switch was closed first.
func (s *Switch) pause(d time.Duration) bool {
	if d <= 0 {
		return s.ctx.Err() == nil
	}
	if d < shortPause {
		for until := time.Now().Add(d); time.Now().Before(until); {
			runtime.Gosched()
		}
		return s.ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.ctx.Done():
		return false
	}
}
