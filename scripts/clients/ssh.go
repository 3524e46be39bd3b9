// An SSH client with the defaults of Go's library: ssh.go HOST PORT
package main

import (
	"os"

	"golang.org/x/crypto/ssh"
)

func main() {
	config := &ssh.ClientConfig{User: "a", Auth: []ssh.AuthMethod{ssh.Password("b")}, HostKeyCallback: ssh.InsecureIgnoreHostKey()}
	c, err := ssh.Dial("tcp", os.Args[1]+":"+os.Args[2], config)
	if err == nil {
		c.Close()
	}
}
