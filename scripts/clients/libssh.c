/* An SSH client with the defaults of libssh: libssh HOST PORT */
#include <libssh/libssh.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    if (argc < 3) return printf("libssh %s\n", ssh_version(0)) < 0;
    ssh_session session = ssh_new();
    int port = atoi(argv[2]);
    ssh_options_set(session, SSH_OPTIONS_HOST, argv[1]);
    ssh_options_set(session, SSH_OPTIONS_PORT, &port);
    ssh_options_set(session, SSH_OPTIONS_KNOWNHOSTS, "/dev/null");
    ssh_options_set(session, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null");
    return ssh_connect(session) != SSH_OK;
}
