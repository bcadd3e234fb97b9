/* SPDX-License-Identifier: MIT */
/* Networks and network cards in the manifest: what is read, and every mistake's line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "init_manifest_rig.h"

static const struct manifest_nic *nic(unsigned int guest, unsigned int i)
{
	assert_true(guest < manifest.guest_count && i < manifest.guests[guest].nic_count);
	return &manifest.guests[guest].nics[i];
}

static const char *mac_of(unsigned int guest, unsigned int i)
{
	static char text[MAC_TEXT];

	return mac_format(nic(guest, i)->mac, text);
}

static void test_all_keys(void **state)
{
	(void)state;
	/* Guests may come before the networks they name. */
	assert_int_equal(parse("guests:\n"
			       "- name: a\n"
			       "  kernel: /k\n"
			       "  memory: 16M\n"
			       "  nics:\n"
			       "  - {network: wan, mac: '52:54:00:AB:cd:0e', queues: 4,\n"
			       "     rate: 100M, vhost: off}\n"
			       "  - {network: lan}\n"
			       "networks:\n"
			       "- {name: lan}\n"
			       "- {name: wan, bridge: br_Wan.1, uplink: enp0s3,\n"
			       "   address: 192.168.7.1/24}\n"),
			 MANIFEST_GOOD);
	assert_string_equal(lines, "");
	assert_int_equal(manifest.network_count, 2);
	assert_string_equal(manifest.networks[0].bridge, "lan");
	assert_null(manifest.networks[0].uplink);
	assert_int_equal(manifest.networks[0].address, 0);
	assert_string_equal(manifest.networks[1].bridge, "br_Wan.1");
	assert_string_equal(manifest.networks[1].uplink, "enp0s3");
	assert_int_equal(manifest.networks[1].address, 0xc0a80701);
	assert_int_equal(manifest.networks[1].prefix, 24);

	assert_int_equal(nic(0, 0)->network, 1);
	assert_string_equal(mac_of(0, 0), "52:54:00:ab:cd:0e");
	assert_int_equal(nic(0, 0)->queues, 4);
	assert_int_equal(nic(0, 0)->rate, 100 << 20);
	assert_int_equal(nic(0, 0)->vhost, MANIFEST_VHOST_OFF);
	assert_int_equal(nic(0, 1)->network, 0);
	assert_int_equal(nic(0, 1)->queues, 1);
	assert_int_equal(nic(0, 1)->rate, 0);
	assert_int_equal(nic(0, 1)->vhost, MANIFEST_VHOST_AUTO);
}

#define LAN "networks: [{name: lan}]\n"

/* The same in every run, for ever: guests recognise their cards by it. */
static void test_stable_mac(void **state)
{
	(void)state;
	parse(LAN "guests:\n"
		  "- {name: a, kernel: /k, memory: 16M, nics: [{network: lan}, {network: lan}]}\n"
		  "- {name: b, kernel: /k, memory: 16M, nics: [{network: lan}]}\n");
	assert_string_equal(lines, "");
	assert_string_equal(mac_of(0, 0), "02:08:2c:b5:88:5c");
	assert_string_equal(mac_of(0, 1), "02:78:88:6f:96:8e");
	assert_string_equal(mac_of(1, 0), "02:7e:fa:cf:50:0b");
	/* Another machine's guest of that name has another. */
	parse("host: {name: other}\n" LAN "guests:\n"
	      "- {name: a, kernel: /k, memory: 16M, nics: [{network: lan}]}\n");
	assert_string_not_equal(mac_of(0, 0), "02:08:2c:b5:88:5c");
	assert_int_equal(nic(0, 0)->mac[0], 2);
}

/* A card below that took the address by name has it; the one without gets the next. */
static void test_mac_taken(void **state)
{
	(void)state;
	parse(LAN "guests:\n"
		  "- {name: a, kernel: /k, memory: 16M, nics: [{network: lan}]}\n"
		  "- {name: b, kernel: /k, memory: 16M,\n"
		  "   nics: [{network: lan, mac: '02:08:2c:b5:88:5c'}]}\n");
	assert_string_equal(lines, "");
	assert_string_equal(mac_of(0, 0), "02:08:2c:b5:88:5d");
	assert_string_equal(mac_of(1, 0), "02:08:2c:b5:88:5c");
}

/* One mistake in a guest: that guest is refused, with this line. */
static void wrong_nic(const char *nics, const char *line)
{
	char text[1024], want[512];

	snprintf(text, sizeof(text),
		 LAN "guests:\n- {name: a, kernel: /k, memory: 16M, nics: %s}\n" OK_GUEST, nics);
	assert_int_equal(parse(text), MANIFEST_FLAWED);
	snprintf(want, sizeof(want), "guest \"a\": %s", line);
	if (!strstr(lines, want))
		fail_msg("%s instead of %s", lines, want);
	assert_int_equal(manifest.guest_count, 1);
	assert_int_equal(manifest.refused_count, 1);
}

#define MAC "mac: '02:00:00:00:00:01'"

static void test_wrong_nics(void **state)
{
	(void)state;
	wrong_nic("{network: lan}",
		  "nics: a list is expected, not a group of keys (write [{network: ...}])");
	wrong_nic("[{}]", "key \"network\" is missing (e.g. network: lan)");
	wrong_nic("[{network: wan}]", "network: \"wan\" is not the name of a network "
				      "(those are in \"networks:\")");
	wrong_nic("[{network: lan, mac: '02:00:00:00:00'}]",
		  "mac: \"02:00:00:00:00\" is not a card's address "
		  "(as 02:00:00:00:00:01, the second digit even)");
	wrong_nic("[{network: lan, mac: '01:00:00:00:00:01'}]",
		  "mac: \"01:00:00:00:00:01\" is not");
	wrong_nic("[{network: lan, " MAC "}, {network: lan, " MAC "}]",
		  "mac: two cards with the same address");
	wrong_nic("[{network: lan, queues: 9}]",
		  "queues: \"9\" is not possible (a number from 1 to 8)");
	wrong_nic("[{network: lan, queues: 0}]", "queues: \"0\" is not possible");
	wrong_nic("[{network: lan, rate: 1000}]",
		  "rate: \"1000\" is not possible (bytes a second, 1K to 1T, e.g. 100M)");
	wrong_nic("[{network: lan, rate: fast}]", "rate: \"fast\" is not possible");
	wrong_nic("[{network: lan, rate: 2T}]", "rate: \"2T\" is not possible");
	wrong_nic("[{network: lan, vhost: yes}]",
		  "vhost: \"yes\" is not possible (one of: auto, on, off)");
	wrong_nic("[{network: lan, rate: 1M, vhost: on}]",
		  "vhost: cannot keep a rate (leave out one of the two)");
	wrong_nic("[{network: lan, speed: 3}]",
		  "unknown key \"speed\" (known here: network, mac, queues, rate, vhost)");
	wrong_nic("[{network: lan}, {network: lan}, {network: lan}, {network: lan}, {network: lan},"
		  " {network: lan}, {network: lan}, {network: lan}, {network: lan}]",
		  "nics: more than 8");
}

static void test_mac_of_another_guest(void **state)
{
	(void)state;
	assert_int_equal(parse(LAN "guests:\n"
				   "- {name: a, kernel: /k, memory: 16M, nics: [{network: lan, " MAC
				   "}]}\n"
				   "- {name: b, kernel: /k, memory: 16M, nics: [{network: lan, " MAC
				   "}]}\n"),
			 MANIFEST_FLAWED);
	assert_string_equal(lines,
			    "m:4:45: guest \"b\": mac: a card of guest \"a\" has it already\n");
}

/* One mistake in a network: it is not there, and the rest of the file is. */
static void wrong_network(const char *networks, unsigned int left, const char *line)
{
	char text[1024];

	snprintf(text, sizeof(text), "networks: %s\nguests:\n" OK_GUEST, networks);
	assert_int_equal(parse(text), MANIFEST_FLAWED);
	if (!strstr(lines, line))
		fail_msg("%s instead of %s", lines, line);
	assert_int_equal(manifest.network_count, left);
	assert_int_equal(manifest.guest_count, 1);
}

static void test_wrong_networks(void **state)
{
	(void)state;
	wrong_network("{name: lan}", 0,
		      "networks: a list is expected, not a group of keys (write [{name: ...}])");
	wrong_network("[{bridge: br0}]", 0,
		      "network number 1: key \"name\" is missing (e.g. name: lan)");
	wrong_network("[{name: Lan}]", 0,
		      "network number 1: name: \"Lan\" is not a name "
		      "(1 to 15 of a-z, 0-9 and -, not beginning with -)");
	wrong_network("[{name: a123456789012345}]", 0, "is not a name");
	wrong_network("[{name: lan, bridge: a/b}]", 0,
		      "network \"lan\": bridge: \"a/b\" is not the name of an interface "
		      "(1 to 15 of a-z, A-Z, 0-9, ., _ and -)");
	wrong_network("[{name: lan, uplink: ..}]", 0, "uplink: \"..\" is not the name");
	wrong_network("[{name: lan, uplink: 'eth0 '}]", 0, "uplink: \"eth0 \" is not the name");
	wrong_network("[{name: lan, uplink: lan}]", 0, "uplink: the bridge itself");
	wrong_network("[{name: lan}, {name: lan, bridge: x}]", 1,
		      "network \"lan\": name is taken by a network above "
		      "(every network needs its own)");
	wrong_network("[{name: a, uplink: eth0}, {name: b, uplink: eth0}]", 1,
		      "network \"b\": an interface of network \"a\" again "
		      "(every bridge and uplink is one network's)");
	wrong_network("[{name: a, uplink: eth0}, {name: b, bridge: eth0}]", 1,
		      "an interface of network \"a\" again");
	wrong_network("[{name: lan, port: 1}]", 0,
		      "unknown key \"port\" (known here: name, bridge, uplink, address)");
}

static void test_wrong_addresses(void **state)
{
	static const char *const wrong[] = {
		"10.0.0.1",	  "10.0.0.1/0", "10.0.0.1/31", "10.0.0/24",  "10.0.0.256/24",
		"10.0.0.1/24/24", "/24",	"0.0.0.0/8",   "fe80::1/64", "1234567890123456/24",
	};
	char text[128], want[160];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(text, sizeof(text), "[{name: lan, address: '%s'}]", wrong[i]);
		snprintf(want, sizeof(want),
			 "address: \"%s\" is not an address with its network (e.g. 192.168.7.1/24)",
			 wrong[i]);
		wrong_network(text, 0, want);
	}
}

static void test_most_networks(void **state)
{
	char text[2048] = "networks:\n";

	(void)state;
	for (int i = 0; i <= MANIFEST_NETWORKS_MAX; i++)
		sprintf(text + strlen(text), "- {name: n%d}\n", i);
	strcat(text, "guests:\n" OK_GUEST);
	assert_int_equal(parse(text), MANIFEST_FLAWED);
	assert_string_equal(lines, "m:2:1: networks: more than 16\n");
	assert_int_equal(manifest.network_count, MANIFEST_NETWORKS_MAX);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_keys),
		cmocka_unit_test(test_stable_mac),
		cmocka_unit_test(test_mac_taken),
		cmocka_unit_test(test_wrong_nics),
		cmocka_unit_test(test_mac_of_another_guest),
		cmocka_unit_test(test_wrong_networks),
		cmocka_unit_test(test_wrong_addresses),
		cmocka_unit_test(test_most_networks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
