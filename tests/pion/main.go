// A client of pion/turn: sends through a TURN server to a peer that echoes, and says how much came back.
//
// Usage: pion-turn udp|tcp|tls|tcp-relay SERVER PEER USER PASSWORD [CA NAME]
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/pion/turn/v5"
)

const (
	packets  = 100
	patience = 15 * time.Second
)

func main() {
	if len(os.Args) < 6 {
		fmt.Fprintln(os.Stderr, "usage: pion-turn udp|tcp|tls|tcp-relay SERVER PEER USER PASSWORD [CA NAME]")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5], os.Args[6:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(way, server, peer, user, password string, trust []string) error {
	conn, err := open(way, server, trust)
	if err != nil {
		return err
	}
	defer conn.Close()
	client, err := turn.NewClient(&turn.ClientConfig{
		STUNServerAddr: server,
		TURNServerAddr: server,
		Conn:           conn,
		Username:       user,
		Password:       password,
		Realm:          "meeting",
	})
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.Listen(); err != nil {
		return err
	}
	if way == "tcp-relay" {
		return stream(client, peer)
	}
	return datagrams(client, peer)
}

func open(way, server string, trust []string) (net.PacketConn, error) {
	switch way {
	case "udp":
		return net.ListenPacket("udp4", "127.0.0.1:0")
	case "tls":
		pem, err := os.ReadFile(trust[0])
		if err != nil {
			return nil, err
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(pem)
		conn, err := tls.Dial("tcp", server, &tls.Config{RootCAs: pool, ServerName: trust[1]})
		if err != nil {
			return nil, err
		}
		return turn.NewSTUNConn(conn), nil
	default:
		conn, err := net.Dial("tcp", server)
		if err != nil {
			return nil, err
		}
		return turn.NewSTUNConn(conn), nil
	}
}

// One after the other: the first go as indications, the rest by the channel that pion binds meanwhile.
func datagrams(client *turn.Client, peer string) error {
	to, err := net.ResolveUDPAddr("udp", peer)
	if err != nil {
		return err
	}
	relay, err := client.Allocate()
	if err != nil {
		return err
	}
	defer relay.Close()
	if err := relay.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	buffer := make([]byte, 1500)
	for number := range packets {
		sent := fmt.Appendf(nil, "packet %d", number)
		if _, err := relay.WriteTo(sent, to); err != nil {
			return err
		}
		count, _, err := relay.ReadFrom(buffer)
		if err != nil {
			return err
		}
		if !bytes.Equal(buffer[:count], sent) {
			return fmt.Errorf("%q came back for %q", buffer[:count], sent)
		}
	}
	fmt.Println(packets)
	return nil
}

// A TCP connection to the peer (RFC 6062).
func stream(client *turn.Client, peer string) error {
	to, err := net.ResolveTCPAddr("tcp", peer)
	if err != nil {
		return err
	}
	allocation, err := client.AllocateTCP()
	if err != nil {
		return err
	}
	defer allocation.Close()
	conn, err := allocation.DialTCP("tcp", nil, to)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<14)
	failed := make(chan error, 1)
	go func() {
		_, err := conn.Write(sent)
		failed <- err
	}()
	back := make([]byte, len(sent))
	if _, err := io.ReadFull(conn, back); err != nil {
		return err
	}
	if err := <-failed; err != nil {
		return err
	}
	if !bytes.Equal(sent, back) {
		return fmt.Errorf("other bytes came back than were sent")
	}
	fmt.Println(len(back))
	return nil
}
