/* A TLS client with the defaults of wolfSSL: wolfssl HOST PORT */
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

int main(int argc, char **argv) {
    if (argc < 3) return printf("wolfSSL %s\n", wolfSSL_lib_version()) < 0;
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *to;
    if (getaddrinfo(argv[1], argv[2], &hints, &to)) return 1;
    int s = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(s, to->ai_addr, to->ai_addrlen)) return 1;
    wolfSSL_Init();
    WOLFSSL_CTX *context = wolfSSL_CTX_new(wolfSSLv23_client_method());
    wolfSSL_CTX_set_verify(context, WOLFSSL_VERIFY_NONE, NULL);
    WOLFSSL *ssl = wolfSSL_new(context);
    /* Names only: an address is no server name. */
    if (strspn(argv[1], "0123456789.") != strlen(argv[1])) wolfSSL_UseSNI(ssl, WOLFSSL_SNI_HOST_NAME, argv[1], strlen(argv[1]));
    wolfSSL_set_fd(ssl, s);
    return wolfSSL_connect(ssl) != WOLFSSL_SUCCESS;
}
