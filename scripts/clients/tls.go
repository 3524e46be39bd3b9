// A TLS client with the defaults of Go's library: tls.go HOST PORT
package main

import (
	"crypto/tls"
	"os"
)

func main() {
	c, err := tls.Dial("tcp", os.Args[1]+":"+os.Args[2], &tls.Config{InsecureSkipVerify: true})
	if err == nil {
		c.Close()
	}
}
