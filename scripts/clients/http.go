// An HTTP client with the defaults of Go's library: http.go URL
package main

import (
	"crypto/tls"
	"net/http"
	"os"
)

func main() {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	r, err := (&http.Client{Transport: t}).Get(os.Args[1])
	if err == nil {
		r.Body.Close()
	}
}
