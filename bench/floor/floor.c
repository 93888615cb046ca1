/* The least that forwarding can cost on this machine: one thread that does nothing else.
 *
 *   floor batched|segmented 128|256 STREAMS SUBSCRIBERS SECONDS
 *
 * Each packet that arrives is decrypted once. For each of its stream's SUBSCRIBERS the RTP header is rewritten, the
 * packet is encrypted with that subscriber's own AES-GCM key, and sent to that subscriber's own socket. Nothing is
 * negotiated, nobody is authenticated, nothing is kept for retransmission, no report is sent or read.
 *
 *   batched    many packets per system call (sendmmsg), each its own datagram for the kernel
 *   segmented  the same, and the packets of one frame to one subscriber are one datagram that the kernel cuts up
 *              after its way through the network stack (UDP_SEGMENT)
 *
 * A child sends the streams: 30 frames a second of five packets of 1100 bytes and one of 750, back to back, and 50
 * packets of 120 bytes of sound. Another reads what the subscribers get. Only the forwarding thread's CPU time counts.
 * Prints one line of JSON.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/udp.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    RTP = 12,            /* bytes of a header */
    TAG = 16,            /* bytes of an authentication tag */
    ROOM = 1280,         /* bytes for one packet */
    FRAME = 8,           /* packets of a frame at most */
    READS = 32,          /* datagrams per recvmmsg */
    MESSAGES = 128,      /* messages per sendmmsg */
    MARKER = 0x80,       /* in a header's second byte: the frame ends here */
};

struct crypt {
    EVP_CIPHER_CTX *context;
    uint32_t sent;
};

struct subscriber {
    struct crypt crypt;
    struct sockaddr_in address;
};

struct frame {
    uint8_t packets[FRAME][ROOM]; /* decrypted */
    int lengths[FRAME];
    int count;
};

/* Messages that wait for the next sendmmsg. */
struct outgoing {
    uint8_t bytes[MESSAGES][FRAME * ROOM];
    char controls[MESSAGES][CMSG_SPACE(sizeof(uint16_t))];
    struct iovec parts[MESSAGES];
    struct mmsghdr messages[MESSAGES];
    int count, socket;
    uint64_t packets, calls;
};

static void require(int fine, const char *what) {
    if (fine) return;
    perror(what);
    exit(1);
}

static double clock_s(clockid_t which) {
    struct timespec now;
    clock_gettime(which, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int bound_socket(struct sockaddr_in *address) {
    int made = socket(AF_INET, SOCK_DGRAM, 0), size = 4 << 20;
    require(made >= 0, "socket");
    setsockopt(made, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    setsockopt(made, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof *address;
    require(bind(made, (struct sockaddr *)address, length) == 0, "bind");
    require(getsockname(made, (struct sockaddr *)address, &length) == 0, "getsockname");
    return made;
}

static struct crypt crypt_new(int bits, int number, int sealing) {
    uint8_t key[32] = {0};
    memcpy(key, &number, sizeof number);
    const EVP_CIPHER *cipher = bits == 256 ? EVP_aes_256_gcm() : EVP_aes_128_gcm();
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    require(context && EVP_CipherInit_ex(context, cipher, NULL, key, NULL, sealing) == 1, "cipher");
    return (struct crypt){.context = context};
}

/* A nonce that is never used twice with a key: the packet's number, as in SRTP. */
static void nonce_of(const uint8_t *header, uint8_t nonce[12]) {
    memset(nonce, 0, 12);
    memcpy(nonce, header + 8, 4);     /* SSRC */
    memcpy(nonce + 4, header + 4, 4); /* timestamp, in place of the roll-over counter */
    memcpy(nonce + 10, header + 2, 2);
}

/* Encrypt a packet of LENGTH bytes into OUT with its own number; returns the sealed length. */
static int seal(struct crypt *to, const uint8_t *packet, int length, uint8_t *out) {
    uint8_t nonce[12];
    int written;
    memcpy(out, packet, RTP);
    out[2] = (uint8_t)(to->sent >> 8);
    out[3] = (uint8_t)to->sent++;
    nonce_of(out, nonce);
    EVP_EncryptInit_ex(to->context, NULL, NULL, NULL, nonce);
    EVP_EncryptUpdate(to->context, NULL, &written, out, RTP);
    EVP_EncryptUpdate(to->context, out + RTP, &written, packet + RTP, length - RTP);
    EVP_EncryptFinal_ex(to->context, out + length, &written);
    EVP_CIPHER_CTX_ctrl(to->context, EVP_CTRL_AEAD_GET_TAG, TAG, out + length);
    return length + TAG;
}

/* Decrypt; returns the length of the packet, 0 if it is forged. */
static int unseal(struct crypt *from, uint8_t *sealed, int length, uint8_t *out) {
    uint8_t nonce[12];
    int written, end = length - TAG;
    if (end < RTP) return 0;
    memcpy(out, sealed, RTP);
    nonce_of(sealed, nonce);
    EVP_DecryptInit_ex(from->context, NULL, NULL, NULL, nonce);
    EVP_DecryptUpdate(from->context, NULL, &written, sealed, RTP);
    EVP_DecryptUpdate(from->context, out + RTP, &written, sealed + RTP, end - RTP);
    EVP_CIPHER_CTX_ctrl(from->context, EVP_CTRL_AEAD_SET_TAG, TAG, sealed + end);
    return EVP_DecryptFinal_ex(from->context, out + end, &written) == 1 ? end : 0;
}

/* The child that publishes. A stream's number is its SSRC. */
static void publish(int streams, int bits, struct sockaddr_in to) {
    struct sockaddr_in own;
    int out = bound_socket(&own);
    require(connect(out, (struct sockaddr *)&to, sizeof to) == 0, "connect");
    struct crypt key = crypt_new(bits, 0, 1);
    uint8_t packet[ROOM] = {0x80}, sealed[ROOM];
    uint32_t *frames = calloc((size_t)streams, sizeof *frames), *sounds = calloc((size_t)streams, sizeof *sounds);
    double begin = clock_s(CLOCK_MONOTONIC);
    for (;;) {
        double next = 1e18;
        for (int stream = 0; stream < streams; stream++) {
            double start = begin + stream / 30.0 / streams, now = clock_s(CLOCK_MONOTONIC);
            packet[8] = (uint8_t)(stream >> 8), packet[9] = (uint8_t)stream;
            for (; start + frames[stream] / 30.0 <= now; frames[stream]++) {
                uint32_t timestamp = htonl(frames[stream] * 3000);
                memcpy(packet + 4, &timestamp, 4);
                for (int i = 0; i < 6; i++) {
                    packet[1] = (uint8_t)(96 | (i == 5 ? MARKER : 0));
                    send(out, sealed, (size_t)seal(&key, packet, RTP + (i == 5 ? 750 : 1100), sealed), 0);
                }
            }
            for (; start + sounds[stream] / 50.0 <= now; sounds[stream]++) {
                uint32_t timestamp = htonl(1u << 31 | sounds[stream] * 960);
                memcpy(packet + 4, &timestamp, 4);
                packet[1] = 111 | MARKER;
                send(out, sealed, (size_t)seal(&key, packet, RTP + 120, sealed), 0);
            }
            double frame = start + frames[stream] / 30.0, sound = start + sounds[stream] / 50.0;
            next = frame < next ? frame : next;
            next = sound < next ? sound : next;
        }
        double left = next - clock_s(CLOCK_MONOTONIC);
        if (left > 0) usleep((useconds_t)(left * 1e6));
    }
}

/* The child that subscribes: counts datagrams. */
static void drain(const int *sockets, int count, volatile uint64_t *received) {
    int poll = epoll_create1(0);
    for (int i = 0; i < count; i++) {
        struct epoll_event interest = {.events = EPOLLIN, .data.fd = sockets[i]};
        require(epoll_ctl(poll, EPOLL_CTL_ADD, sockets[i], &interest) == 0, "epoll_ctl");
    }
    static uint8_t bytes[READS][ROOM];
    struct iovec parts[READS];
    struct mmsghdr messages[READS] = {0};
    for (int i = 0; i < READS; i++) {
        parts[i] = (struct iovec){bytes[i], ROOM};
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    for (;;) {
        struct epoll_event ready[64];
        int n = epoll_wait(poll, ready, 64, -1);
        for (int i = 0; i < n; i++) {
            int got = recvmmsg(ready[i].data.fd, messages, READS, MSG_DONTWAIT, NULL);
            if (got > 0) *received += (uint64_t)got;
        }
    }
}

static void flush(struct outgoing *out) {
    for (int sent = 0; sent < out->count; out->calls++) {
        int n = sendmmsg(out->socket, out->messages + sent, (unsigned)(out->count - sent), 0);
        require(n > 0, "sendmmsg");
        sent += n;
    }
    out->count = 0;
}

/* Packets FIRST..END of a frame to one subscriber, as one message. */
static void push(struct outgoing *out, struct subscriber *to, struct frame *frame, int first, int end) {
    int i = out->count, filled = 0, segment = 0;
    for (int p = first; p < end; p++) {
        int sealed = seal(&to->crypt, frame->packets[p], frame->lengths[p], out->bytes[i] + filled);
        segment = segment ? segment : sealed;
        filled += sealed;
    }
    struct msghdr *header = &out->messages[i].msg_hdr;
    out->parts[i] = (struct iovec){out->bytes[i], (size_t)filled};
    *header = (struct msghdr){.msg_name = &to->address, .msg_namelen = sizeof to->address, .msg_iov = &out->parts[i], .msg_iovlen = 1};
    if (end - first > 1) {
        header->msg_control = out->controls[i];
        header->msg_controllen = sizeof out->controls[i];
        struct cmsghdr *control = CMSG_FIRSTHDR(header);
        control->cmsg_level = SOL_UDP;
        control->cmsg_type = UDP_SEGMENT;
        control->cmsg_len = CMSG_LEN(sizeof(uint16_t));
        uint16_t size = (uint16_t)segment;
        memcpy(CMSG_DATA(control), &size, sizeof size);
    }
    out->packets += (uint64_t)(end - first);
    if (++out->count == MESSAGES) flush(out);
}

static void forward(struct outgoing *out, struct frame *frame, struct subscriber *subscribers, int count, int segmented) {
    for (int s = 0; s < count; s++)
        for (int p = 0; p < frame->count; p += segmented ? frame->count : 1)
            push(out, &subscribers[s], frame, p, segmented ? frame->count : p + 1);
    frame->count = 0;
}

int main(int argc, char **argv) {
    if (argc != 6) {
        fprintf(stderr, "usage: floor batched|segmented 128|256 STREAMS SUBSCRIBERS SECONDS\n");
        return 2;
    }
    int segmented = strcmp(argv[1], "segmented") == 0, bits = atoi(argv[2]);
    int streams = atoi(argv[3]), fanout = atoi(argv[4]), all = streams * fanout;
    double seconds = atof(argv[5]);

    uint64_t *received = mmap(NULL, sizeof *received, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    require(received != MAP_FAILED, "mmap");
    struct subscriber *subscribers = calloc((size_t)all, sizeof *subscribers);
    int *sockets = calloc((size_t)all, sizeof *sockets);
    for (int i = 0; i < all; i++) {
        sockets[i] = bound_socket(&subscribers[i].address);
        subscribers[i].crypt = crypt_new(bits, i + 1, 1);
    }
    struct sockaddr_in entrance, exit_address;
    int in = bound_socket(&entrance);
    pid_t children[2];
    for (int child = 0; child < 2; child++) {
        children[child] = fork();
        require(children[child] >= 0, "fork");
        if (children[child]) continue;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (child == 0) drain(sockets, all, received);
        publish(streams, bits, entrance);
    }
    for (int i = 0; i < all; i++) close(sockets[i]);

    struct outgoing *out = calloc(1, sizeof *out);
    struct frame *frames = calloc((size_t)streams, sizeof *frames);
    out->socket = bound_socket(&exit_address);
    struct crypt ingress = crypt_new(bits, 0, 0);
    static uint8_t bytes[READS][ROOM];
    struct iovec parts[READS];
    struct mmsghdr reads[READS] = {0};
    for (int i = 0; i < READS; i++) {
        parts[i] = (struct iovec){bytes[i], ROOM};
        reads[i].msg_hdr.msg_iov = &parts[i];
        reads[i].msg_hdr.msg_iovlen = 1;
    }
    uint64_t forged = 0, received_before = 0, sent_before = 0;
    double begin = clock_s(CLOCK_MONOTONIC), start = 0, cpu = 0;
    while (!start || clock_s(CLOCK_MONOTONIC) < start + seconds) {
        if (!start && clock_s(CLOCK_MONOTONIC) > begin + 0.5) { /* half a second to warm up */
            start = clock_s(CLOCK_MONOTONIC), cpu = clock_s(CLOCK_THREAD_CPUTIME_ID);
            sent_before = out->packets, received_before = *received;
        }
        int got = recvmmsg(in, reads, READS, MSG_WAITFORONE, NULL);
        for (int i = 0; i < got; i++) {
            struct frame *frame = &frames[(bytes[i][8] << 8 | bytes[i][9]) % streams];
            int length = unseal(&ingress, bytes[i], (int)reads[i].msg_len, frame->packets[frame->count]);
            forged += length == 0;
            if (length == 0) continue;
            frame->lengths[frame->count++] = length;
            if (bytes[i][1] & MARKER || frame->count == FRAME)
                forward(out, frame, subscribers + (frame - frames) * fanout, fanout, segmented);
        }
        flush(out);
    }
    cpu = clock_s(CLOCK_THREAD_CPUTIME_ID) - cpu;
    double took = clock_s(CLOCK_MONOTONIC) - start;
    usleep(200000); /* for the last packets to be counted */
    uint64_t sent = out->packets - sent_before, arrived = *received - received_before;
    for (int child = 0; child < 2; child++) kill(children[child], SIGKILL), waitpid(children[child], NULL, 0);
    printf("{\"mode\": \"%s\", \"bits\": %d, \"streams\": %d, \"subscribers\": %d, \"seconds\": %.2f, \"sent\": %lu, "
           "\"arrived\": %lu, \"forged\": %lu, \"calls\": %lu, \"us_per_packet\": %.3f, \"cores\": %.4f}\n",
           argv[1], bits, streams, fanout, took, sent, arrived, forged, out->calls, cpu * 1e6 / (double)(sent ? sent : 1), cpu / took);
    return forged || !sent;
}
