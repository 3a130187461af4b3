/* An HTTP client that uses little CPU time: downloads a file over many connections at once, and prints the octets of
 * all bodies and nanoseconds. It drops the octets in the kernel.
 *
 *     download ADDRESS PORT PATH CONNECTIONS [RANGE_SIZE FILE_SIZE]
 *
 * With RANGE_SIZE, each connection requests the file in ranges of this size, one after another. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct connection {
	int fd;
	/* Where the next range begins, and what remains of the current body; -1 in a head. */
	long long next, left;
	char head[4096];
	size_t head_size;
};

static struct addrinfo *server;
static const char *path;
static long long range_size, file_size, octets;

static void fail(const char *what)
{
	fprintf(stderr, "download: %s\n", what);
	exit(1);
}

static void request(struct connection *connection)
{
	char text[512], range[96] = "";

	if (range_size) {
		long long end = connection->next + range_size;

		if (end > file_size)
			end = file_size;
		snprintf(range, sizeof range, "Range: bytes=%lld-%lld\r\n", connection->next, end - 1);
		connection->next = end;
	} else {
		connection->next = file_size;
	}
	int size = snprintf(text, sizeof text, "GET /%s HTTP/1.1\r\nHost: bench\r\n%s\r\n", path, range);

	if (send(connection->fd, text, size, 0) != size)
		fail("cannot send a request");
	connection->left = -1;
	connection->head_size = 0;
}

/* Receives until nothing is left to receive. Returns whether the connection has received everything. */
static int receive(struct connection *connection)
{
	for (;;) {
		if (connection->left < 0) {
			ssize_t size = recv(connection->fd, connection->head + connection->head_size,
					    sizeof connection->head - 1 - connection->head_size, MSG_PEEK);
			if (size < 0 && errno == EAGAIN)
				return 0;
			if (size <= 0)
				fail("the connection ended in a head");
			size_t before = connection->head_size;
			connection->head[before + size] = 0;
			char *end = strstr(connection->head, "\r\n\r\n"), *length;
			size_t taken = end ? (size_t)(end + 4 - connection->head) - before : (size_t)size;

			recv(connection->fd, connection->head + before, taken, 0);
			connection->head_size += taken;
			if (!end)
				continue;
			end[2] = 0;
			length = strcasestr(connection->head, "\r\ncontent-length:");
			if (strncmp(connection->head, range_size ? "HTTP/1.1 206" : "HTTP/1.1 200", 12) || !length)
				fail(connection->head);
			connection->left = atoll(length + 17);
			octets += connection->left;
		}
		while (connection->left > 0) {
			/* MSG_TRUNC drops the octets of a TCP connection instead of copying them. */
			size_t most = connection->left < 1 << 20 ? connection->left : 1 << 20;
			ssize_t size = recv(connection->fd, NULL, most, MSG_TRUNC);

			if (size < 0 && errno == EAGAIN)
				return 0;
			if (size <= 0)
				fail("the connection ended in a body");
			connection->left -= size;
		}
		if (connection->next >= file_size)
			return 1;
		request(connection);
	}
}

int main(int argc, char **argv)
{
	struct addrinfo numeric = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM };
	struct timespec start, end;
	struct epoll_event events[64];

	if (argc != 5 && argc != 7)
		fail("usage: download ADDRESS PORT PATH CONNECTIONS [RANGE_SIZE FILE_SIZE]");
	if (getaddrinfo(argv[1], argv[2], &numeric, &server))
		fail("not an address");
	path = argv[3];
	int count = atoi(argv[4]), open = count, epoll = epoll_create1(0);
	struct connection *connections = calloc(count, sizeof *connections);

	if (argc == 7) {
		range_size = atoll(argv[5]);
		file_size = atoll(argv[6]);
	}
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (int i = 0; i < count; i++) {
		struct connection *connection = &connections[i];
		struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.ptr = connection };

		connection->fd = socket(server->ai_family, SOCK_STREAM, 0);
		if (connection->fd < 0 || connect(connection->fd, server->ai_addr, server->ai_addrlen) < 0)
			fail(strerror(errno));
		fcntl(connection->fd, F_SETFL, O_NONBLOCK);
		epoll_ctl(epoll, EPOLL_CTL_ADD, connection->fd, &event);
		request(connection);
	}
	while (open) {
		int ready = epoll_wait(epoll, events, 64, 20000);

		if (ready <= 0)
			fail("nothing arrived for 20 s");
		for (int i = 0; i < ready; i++) {
			struct connection *connection = events[i].data.ptr;

			if (connection->fd >= 0 && receive(connection)) {
				close(connection->fd);
				connection->fd = -1;
				open--;
			}
		}
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("%lld %lld\n", octets, (end.tv_sec - start.tv_sec) * 1000000000LL + end.tv_nsec - start.tv_nsec);
	return 0;
}
