/* A TFTP client that uses little CPU time: reads a file with the given options (RFC 2347, 2348, 7440), compares every
 * octet with the original, and prints octets, nanoseconds and the number of retries.
 *
 *     fetch ADDRESS NAME ORIGINAL CLIENT [OPTION VALUE]...
 *
 * Like EDK2 and iPXE, it acknowledges a whole window, and for each block out of order the last block in order. CLIENT
 * is one of them: after a silence, EDK2 repeats its packet every four seconds, six times, and iPXE after a quarter of
 * a second and then twice as long each time. It acknowledges the last block only when standard input ends: until then
 * the process of the transfer, which tftpd-hpa starts for each, still exists, and its CPU time can be read. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

enum { RRQ = 1, DATA = 3, ACK = 4, ERROR = 5, OACK = 6, TRIES = 6 };

enum { EDK2_TIMEOUT = 4000, IPXE_TIMEOUT = 250 };

static int fd;
static struct sockaddr_storage server;
static socklen_t server_size;
static unsigned char packet[65536 + 4], request[512];
static size_t request_size;
static unsigned long block_size = 512, window = 1, retries;
/* In milliseconds: how long to wait for a packet, now and at first. */
static int timeout, first_timeout;

static void fail(const char *what)
{
	fprintf(stderr, "fetch: %s\n", what);
	exit(1);
}

static void put(const char *text)
{
	size_t size = strlen(text) + 1;

	if (request_size + size > sizeof request)
		fail("the request is too long");
	memcpy(request + request_size, text, size);
	request_size += size;
}

static void send_to_server(const void *data, size_t size)
{
	if (sendto(fd, data, size, 0, (struct sockaddr *)&server, server_size) < 0)
		fail(strerror(errno));
}

static void acknowledge(unsigned long block)
{
	unsigned char ack[4] = { 0, ACK, block >> 8, block };

	send_to_server(ack, sizeof ack);
}

/* The size of the next packet; 0 after a silence. */
static size_t receive(void)
{
	struct pollfd readable = { .fd = fd, .events = POLLIN };

	if (!poll(&readable, 1, timeout)) {
		if (first_timeout == IPXE_TIMEOUT)
			timeout *= 2;
		return 0;
	}
	timeout = first_timeout;
	server_size = sizeof server;
	/* The first reply comes from the port of the transfer; later packets are sent to that port. */
	ssize_t size = recvfrom(fd, packet, sizeof packet, 0, (struct sockaddr *)&server, &server_size);

	if (size < 4)
		fail(size < 0 ? strerror(errno) : "a short packet");
	return size;
}

static void take_options(size_t size)
{
	const char *at = (char *)packet + 2, *end = (char *)packet + size;

	packet[size] = 0;
	while (at < end) {
		const char *value = at + strlen(at) + 1;

		if (value >= end)
			fail("an option without a value");
		if (!strcasecmp(at, "blksize"))
			block_size = strtoul(value, NULL, 10);
		if (!strcasecmp(at, "windowsize"))
			window = strtoul(value, NULL, 10);
		at = value + strlen(value) + 1;
	}
}

/* Reads to the end of the file and returns the number of its last block. */
static unsigned long read_all(const unsigned char *original, size_t original_size)
{
	size_t done = 0;
	unsigned long block = 0, in_window = 0, silent = 0;

	for (;;) {
		size_t size = receive();
		unsigned kind = packet[0] << 8 | packet[1], number = packet[2] << 8 | packet[3];

		if (!size) {
			if (++silent == TRIES)
				fail("timeout: no reply from the server");
			retries++;
			if (block)
				acknowledge(block);
			else
				send_to_server(request, request_size);
			in_window = 0;
			continue;
		}
		if (kind == ERROR)
			fail((char *)packet + 4);
		if (kind == OACK && !block) {
			take_options(size);
			acknowledge(0);
		}
		if (kind != DATA)
			continue;
		if (number != ((block + 1) & 0xffff)) {
			acknowledge(block);
			retries++;
			in_window = 0;
			continue;
		}
		size -= 4;
		if (size > block_size || size > original_size - done || memcmp(packet + 4, original + done, size))
			fail("the data differs from the original");
		if (size < block_size && done + size != original_size)
			fail("the file is truncated");
		done += size;
		block++;
		silent = 0;
		if (size < block_size)
			return block;
		if (++in_window == window) {
			acknowledge(block);
			in_window = 0;
		}
	}
}

int main(int argc, char **argv)
{
	struct timespec start, end;
	struct addrinfo numeric = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_DGRAM }, *found;
	struct stat status;
	int original;
	const unsigned char *octets;

	if (argc < 5 || argc % 2 == 0)
		fail("usage: fetch ADDRESS NAME ORIGINAL CLIENT [OPTION VALUE]...");
	timeout = first_timeout = strcmp(argv[4], "iPXE") ? EDK2_TIMEOUT : IPXE_TIMEOUT;
	if (getaddrinfo(argv[1], "69", &numeric, &found))
		fail("not an address");
	memcpy(&server, found->ai_addr, server_size = found->ai_addrlen);
	original = open(argv[3], O_RDONLY);
	if (original < 0 || fstat(original, &status) < 0)
		fail("cannot read the original");
	octets = mmap(NULL, status.st_size, PROT_READ, MAP_SHARED | MAP_POPULATE, original, 0);
	if (octets == MAP_FAILED)
		fail("cannot map the original");

	request[1] = RRQ;
	request_size = 2;
	put(argv[2]);
	put("octet");
	for (int i = 5; i < argc; i++)
		put(argv[i]);

	fd = socket(server.ss_family, SOCK_DGRAM, 0);
	if (fd < 0)
		fail(strerror(errno));
	clock_gettime(CLOCK_MONOTONIC, &start);
	send_to_server(request, request_size);
	unsigned long last = read_all(octets, status.st_size);
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("%lld %lld %lu\n", (long long)status.st_size,
	       (end.tv_sec - start.tv_sec) * 1000000000LL + end.tv_nsec - start.tv_nsec, retries);
	fflush(stdout);
	while (getchar() != EOF)
		;
	acknowledge(last);
	return 0;
}
