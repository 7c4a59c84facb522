package dial

import (
	"crypto/x509"
	"fmt"
	"os"

	"trunkline/internal/fault"
)

// Authorities are those whose signature on a server's certificate counts: the system's, and those in the file (PEM), if one is
// named. The error is a *fault.Error that names TRUNKLINE_DELIVERY_CA.
func Authorities(file string) (*x509.CertPool, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if file == "" {
		return pool, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, unusable(fmt.Errorf("%w; name a file of certificates (PEM) that can be read", err))
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, unusable(fmt.Errorf("%s holds no certificate; it must be a file of certificates (PEM)", file))
	}
	return pool, nil
}

// unusable is for the owner of the server: a tenant is not told of its files.
func unusable(err error) error {
	return &fault.Error{Code: fault.ServerError, Passes: true, Cause: err, Message: "the file of TRUNKLINE_DELIVERY_CA cannot be used, and the log has the reason"}
}
