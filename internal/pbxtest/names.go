package pbxtest

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// Resolver asks a name server of this test alone, which answers what answer says: the addresses of a name when it is asked for
// the time-th time, from 1. A name without addresses does not exist.
func Resolver(t testing.TB, answer func(name string, time int) []netip.Addr) *net.Resolver {
	t.Helper()
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := nameServer{socket: socket, answer: answer, asked: map[dnsmessage.Question]int{}}
	var serving sync.WaitGroup
	serving.Go(server.serve)
	t.Cleanup(func() {
		_ = socket.Close()
		serving.Wait()
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", socket.LocalAddr().String())
	}}
}

type nameServer struct {
	socket net.PacketConn
	answer func(name string, time int) []netip.Addr
	asked  map[dnsmessage.Question]int
}

func (s *nameServer) serve() {
	const longest = 512 // bytes of a message of DNS over UDP
	buffer := make([]byte, longest)
	for {
		n, from, err := s.socket.ReadFrom(buffer)
		if err != nil {
			return
		}
		var message dnsmessage.Message
		if message.Unpack(buffer[:n]) != nil || len(message.Questions) != 1 {
			continue
		}
		if reply, err := s.reply(message); err == nil {
			_, _ = s.socket.WriteTo(reply, from)
		}
	}
}

func (s *nameServer) reply(message dnsmessage.Message) ([]byte, error) {
	question := message.Questions[0]
	s.asked[question]++
	name := question.Name.String()
	addrs := s.answer(name[:len(name)-1], s.asked[question])
	reply := dnsmessage.Message{Header: dnsmessage.Header{ID: message.ID, Response: true}, Questions: message.Questions}
	if len(addrs) == 0 {
		reply.RCode = dnsmessage.RCodeNameError
	}
	for _, addr := range addrs {
		answer := dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: question.Name, Type: question.Type, Class: question.Class}}
		switch {
		case question.Type == dnsmessage.TypeA && addr.Is4():
			answer.Body = &dnsmessage.AResource{A: addr.As4()}
		case question.Type == dnsmessage.TypeAAAA && addr.Is6():
			answer.Body = &dnsmessage.AAAAResource{AAAA: addr.As16()}
		default:
			continue
		}
		reply.Answers = append(reply.Answers, answer)
	}
	return reply.Pack()
}
