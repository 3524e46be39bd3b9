/* An SSH client with the defaults of libssh2: libssh2 HOST PORT */
#include <libssh2.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>

int main(int argc, char **argv) {
    if (argc < 3) return printf("libssh2 %s\n", libssh2_version(0)) < 0;
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *to;
    if (getaddrinfo(argv[1], argv[2], &hints, &to)) return 1;
    int s = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(s, to->ai_addr, to->ai_addrlen)) return 1;
    libssh2_init(0);
    return libssh2_session_handshake(libssh2_session_init(), s);
}
