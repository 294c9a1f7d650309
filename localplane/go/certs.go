package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"

	certutil "k8s.io/client-go/util/cert"
)

// serviceNetworkFirst is the ClusterIP that the API server gives its own Service; serving certificates name it.
const serviceNetworkFirst = "10.96.0.1"

// writeCertificates puts a certificate with its key for the API server, and a key that signs ServiceAccount tokens,
// into a folder. The certificate is good inside the namespace and through the loopback port outside.
func writeCertificates(folder, host string) error {
	addresses := []net.IP{net.ParseIP("127.0.0.1"), net.ParseIP(serviceNetworkFirst)}
	names := []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"}
	certificate, key, err := certutil.GenerateSelfSignedCertKey(host, addresses, names)
	if err != nil {
		return err
	}
	signer, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	signerPEM := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(signer)})
	for name, content := range map[string][]byte{
		"serving.crt": certificate, "serving.key": key, "service-account.key": signerPEM,
	} {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}
