/* What no program at hand does: one try each, told by its words. 0 says that it was done; otherwise
 * it is the number of the error. */
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int lock(size_t bytes) {
    void *place = mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return place == MAP_FAILED ? 255 : mlock(place, bytes) ? errno : 0;
}

static int queue(void) {
    return mq_open("/svirt-try", O_CREAT | O_RDWR, 0600, (struct mq_attr *)0) == (mqd_t)-1 ? errno : 0;
}

/* Whether a limit that is as it is can be more. */
static int raise_limit(int which) {
    struct rlimit limit;
    if (getrlimit(which, &limit))
        return 255;
    limit.rlim_cur = ++limit.rlim_max;
    return setrlimit(which, &limit) ? errno : 0;
}

/* Takes a descriptor from its standard input, says so, and keeps it until that ends. */
static int take(void) {
    char byte, room[CMSG_SPACE(sizeof(int))];
    struct iovec place = {&byte, 1};
    struct msghdr message = {0};
    message.msg_iov = &place;
    message.msg_iovlen = 1;
    message.msg_control = room;
    message.msg_controllen = sizeof room;
    if (recvmsg(0, &message, 0) != 1 || !CMSG_FIRSTHDR(&message))
        return errno ? errno : 255;
    if (write(1, "taken\n", 6) != 6)
        return errno;
    while (read(0, &byte, 1) > 0)
        ;
    return 0;
}

/* Returns when there is a byte in a pipe that this process holds both ends of: whoever tells twice at once
 * has told twice. */
static int told(int pipe) {
    char byte;
    return read(pipe, &byte, 1) == 1 ? 0 : errno;
}

static int pass(int to, int descriptor) {
    char byte = 0, room[CMSG_SPACE(sizeof(int))];
    struct iovec place = {&byte, 1};
    struct msghdr message = {0};
    struct cmsghdr *with;
    message.msg_iov = &place;
    message.msg_iovlen = 1;
    message.msg_control = room;
    message.msg_controllen = sizeof room;
    with = CMSG_FIRSTHDR(&message);
    with->cmsg_level = SOL_SOCKET;
    with->cmsg_type = SCM_RIGHTS;
    with->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(with), &descriptor, sizeof(int));
    return sendmsg(to, &message, 0) == 1 ? 0 : errno;
}

/* PIPE FILE COMMAND...: runs a command whose standard input is a socket; once told by the pipe, passes it
 * the file, and told again, closes the socket. Ends as the command does. */
static int give(char **words) {
    int ends[2], status, error, pipe = open(words[0], O_RDWR | O_CLOEXEC);
    if (pipe < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
        return errno;
    if (!fork()) {
        dup2(ends[1], 0);
        close(ends[0]);
        close(ends[1]);
        execvp(words[2], words + 2);
        _exit(127);
    }
    close(ends[1]);
    if ((error = told(pipe)) || (error = pass(ends[0], open(words[1], O_RDONLY))) || (error = told(pipe)))
        return error;
    close(ends[0]);
    return wait(&status) < 0 || !WIFEXITED(status) ? 255 : WEXITSTATUS(status);
}

int main(int count, char **words) {
    long number = count > 2 ? atol(words[2]) : 0;
    if (count < 2)
        return 255;
    if (!strcmp(words[1], "lock"))
        return lock(number);
    if (!strcmp(words[1], "queue"))
        return queue();
    if (!strcmp(words[1], "raise"))
        return raise_limit(number);
    if (!strcmp(words[1], "call"))
        return syscall(number) == -1 ? errno : 0;
    if (!strcmp(words[1], "take"))
        return take();
    if (!strcmp(words[1], "give") && count > 4)
        return give(words + 2);
    return 255;
}
