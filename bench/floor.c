/* The floor: the minimum that a server must do to reply to a DISCOVER. For each packet: receive it, copy xid, flags,
 * giaddr and chaddr into a prepared OFFER, and send that to the relay. Nothing is parsed or validated. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { XID = 4, FLAGS = 10, SIADDR = 20, GIADDR = 24, CHADDR = 28, FILE_NAME = 108, OPTIONS = 236, SIZE = 300 };

static unsigned char in[2048], offer[SIZE];

static void make_offer(struct in_addr server)
{
	static const unsigned char options[] = {
		0x63, 0x82, 0x53, 0x63,              /* magic cookie */
		53, 1, 2,                            /* OFFER */
		54, 4, 0, 0, 0, 0,                   /* server identifier, below */
		60, 9, 'P', 'X', 'E', 'C', 'l', 'i', 'e', 'n', 't',
		43, 4, 6, 1, 8, 255,                 /* no discovery: boot the named file */
		255,
	};

	offer[0] = 2;                            /* BOOTREPLY, Ethernet */
	offer[1] = 1;
	offer[2] = 6;
	memcpy(offer + SIADDR, &server, sizeof server);
	strcpy((char *)offer + FILE_NAME, "snponly.efi");
	memcpy(offer + OPTIONS, options, sizeof options);
	memcpy(offer + OPTIONS + 9, &server, sizeof server);
}

int main(int argc, char **argv)
{
	struct sockaddr_in server = { .sin_family = AF_INET, .sin_port = htons(67) };
	struct sockaddr_in relay = server, any = server;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (argc != 2 || !inet_aton(argv[1], &server.sin_addr)) {
		fprintf(stderr, "usage: floor ADDRESS\n");
		return 2;
	}
	make_offer(server.sin_addr);
	any.sin_addr.s_addr = INADDR_ANY;        /* broadcasts, too */
	if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof any) < 0) {
		perror("floor");
		return 1;
	}
	for (;;) {
		if (recvfrom(fd, in, sizeof in, 0, NULL, NULL) < OPTIONS)
			continue;
		memcpy(offer + XID, in + XID, 4);
		memcpy(offer + FLAGS, in + FLAGS, 2);
		memcpy(offer + GIADDR, in + GIADDR, 4);
		memcpy(offer + CHADDR, in + CHADDR, 16);
		memcpy(&relay.sin_addr, in + GIADDR, 4);
		sendto(fd, offer, sizeof offer, 0, (struct sockaddr *)&relay, sizeof relay);
	}
}
