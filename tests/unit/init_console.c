/* SPDX-License-Identifier: MIT */
/* The shared console: whole lines, prompts, and what happens when it is slow. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "init/check.h"
#include "init/console.h"
#include "init/sys.h"

static struct console console;
static struct console_source web, tiny, vmm;
static int64_t now_ms;

_Noreturn void check_failed(const char *file, int line, const char *what)
{
	print_error("%s:%d: CHECK(%s)\n", file, line, what);
	_fail(file, line);
	__builtin_unreachable();
}

int64_t sys_now_ms(void)
{
	return now_ms;
}

/* Waiting makes time pass and nothing else. */
int sys_poll(struct pollfd *fds, nfds_t count, int64_t timeout_ms)
{
	(void)fds;
	(void)count;
	now_ms += timeout_ms;
	return 0;
}

static int setup(void **state)
{
	(void)state;
	console_init(&console, -1);
	console_guest(&web, "web", true);
	console_guest(&tiny, "tiny", false);
	console_vmm(&vmm, "tiny");
	now_ms = 1000;
	return 0;
}

static void feed(struct console_source *source, const char *text)
{
	console_feed(&console, source, text, strlen(text), now_ms);
}

/* Take everything out of the queue; it must be this. */
static void expect(const char *text)
{
	static char out[CONSOLE_QUEUE + 1];
	size_t i;

	for (i = 0; i < console.used; i++)
		out[i] = console.queue[(console.head + i) % CONSOLE_QUEUE];
	out[console.used] = '\0';
	console.head = (console.head + console.used) % CONSOLE_QUEUE;
	console.used = 0;
	assert_string_equal(out, text);
}

static void lines_get_a_prefix(void **state)
{
	(void)state;
	feed(&tiny, "one\ntwo\n");
	expect("[tiny] one\n[tiny] two\n");
	feed(&tiny, "\n");
	expect("[tiny] \n");
}

static void lines_wait_until_they_are_whole(void **state)
{
	(void)state;
	feed(&tiny, "be");
	expect("");
	feed(&tiny, "gin\nne");
	expect("[tiny] begin\n");
	feed(&tiny, "xt\n");
	expect("[tiny] next\n");
}

static void line_ends_lose_their_carriage_return(void **state)
{
	(void)state;
	feed(&tiny, "dos\r\nunix\n");
	expect("[tiny] dos\n[tiny] unix\n");
	/* Also if the two come apart. */
	feed(&tiny, "dos\r");
	feed(&tiny, "\n");
	expect("[tiny] dos\n");
	feed(&tiny, "dos\r\r\nempty\r\n\r\n");
	expect("[tiny] dos\n[tiny] empty\n[tiny] \n");
	/* One that ends no line is the business of who has the terminal. */
	feed(&web, "10%\r20%\r\r\n\x1b[1mx\a\n");
	expect("[web] 10%\r20%\r\n[web] \x1b[1mx\a\n");
}

static void zero_bytes_are_carried(void **state)
{
	(void)state;
	console_feed(&console, &web, "a\0b\n", 4, now_ms);
	assert_int_equal(console.used, strlen("[web] ") + 4);
	assert_int_equal(console.queue[7], '\0');
}

/* Other guests cannot reach what stands to the left of their text, or above. */
static void nobody_else_moves_the_cursor(void **state)
{
	(void)state;
	feed(&tiny, "10%\r20%\n\rinit: forged\n");
	expect("[tiny] 10%\n[tiny] 20%\n[tiny] init: forged\n");
	/* Also when the line was shown already. */
	feed(&tiny, "wait");
	console_tick(&console, &tiny, now_ms + CONSOLE_PATIENCE_MS);
	feed(&tiny, "\rinit: forged\n");
	expect("[tiny] wait\n[tiny] init: forged\n");
	feed(&tiny, "\b\b\b\b\b\b\binit:\a\v\f\x7f forged\tx\n");
	expect("[tiny] init: forged\tx\n");
	feed(&tiny, "\x1b[2K\x1b[1Ginit: \x1b[0;31mred\x1b[m\x1b[1;1H\x1b[?25l\n");
	expect("[tiny] init: red\n");
	/* Save, restore, reverse line feed, a character set; in pieces, too. */
	feed(&tiny, "a\x1b" "7b\x1b" "8c\x1bMd\x1b(Be\x1b");
	feed(&tiny, "[");
	feed(&tiny, "3");
	feed(&tiny, "Af\n");
	expect("[tiny] abcdef\n");
	/* A sequence that is broken off, and one inside another. */
	feed(&tiny, "\x1b[1\nx\x1b[\x1b[1Ay\x1b\x1b[Az\n");
	expect("[tiny] \n[tiny] xyz\n");
	/* The same control characters with eight bits; letters stay what they are. */
	feed(&tiny, "a\x9b" "1Gb\xc2\x9b" "1Gc \xe2\x9b\x84 \xc3\x9b\n");
	expect("[tiny] a1Gb\xc2" "1Gc \xe2\x9b\x84 \xc3\x9b\n");
	feed(&vmm, "vmm: x\rinit: forged\x1b[1G\n");
	expect("vmm tiny: x\nvmm tiny: init: forged\n");
}

static void a_vmm_speaks_under_its_own_name(void **state)
{
	(void)state;
	feed(&vmm, "vmm: ready (1 cpu)\nno prefix\nvmm: \n");
	expect("vmm tiny: ready (1 cpu)\nvmm tiny: no prefix\nvmm tiny: \n");
	/* A guest that imitates one is still in brackets. */
	feed(&tiny, "vmm tiny: crashed\ninit: hello\n");
	expect("[tiny] vmm tiny: crashed\n[tiny] init: hello\n");
}

static void a_prompt_appears_after_a_while(void **state)
{
	(void)state;
	assert_int_equal(console_due(&tiny), -1);
	feed(&tiny, "login: ");
	assert_int_equal(console_due(&tiny), now_ms + CONSOLE_PATIENCE_MS);
	now_ms += CONSOLE_PATIENCE_MS - 1;
	console_tick(&console, &tiny, now_ms);
	expect("");
	now_ms++;
	console_tick(&console, &tiny, now_ms);
	expect("[tiny] login: ");
	assert_int_equal(console_due(&tiny), -1);
	/* What follows continues the line. */
	feed(&tiny, "root\nok\n");
	expect("root\n[tiny] ok\n");
}

static void the_typing_guest_is_shown_at_once(void **state)
{
	(void)state;
	feed(&web, "# ");
	expect("[web] # ");
	feed(&web, "l");
	expect("l");
	feed(&web, "s\r\nfile\r\n# ");
	expect("s\n[web] file\n[web] # ");
}

static void an_interrupted_prompt_goes_on_in_a_new_line(void **state)
{
	(void)state;
	feed(&web, "# l");
	feed(&tiny, "boot\n");
	feed(&web, "s\n");
	expect("[web] # l\n[tiny] boot\n[web] s\n");
	feed(&web, "# ");
	console_print(&console, "init: hello");
	feed(&web, "x");
	feed(&web, "\n");
	expect("[web] # \ninit: hello\n[web] x\n");
}

static void long_lines_stay_one_line(void **state)
{
	static char text[3 * CONSOLE_LINE_MAX + 2], expected[sizeof(text) + 8];

	(void)state;
	memset(text, 'x', sizeof(text) - 2);
	text[sizeof(text) - 2] = '\n';
	sprintf(expected, "[tiny] %s", text);
	feed(&tiny, text);
	expect(expected);
}

static void the_end_finishes_a_line(void **state)
{
	(void)state;
	feed(&tiny, "last words");
	console_close(&console, &tiny);
	console_print(&console, "init: guest tiny ended");
	expect("[tiny] last words\ninit: guest tiny ended\n");
	/* Shown already, but not finished. */
	feed(&web, "# ");
	console_close(&console, &web);
	expect("[web] # \n");
	/* Nothing to finish. */
	console_close(&console, &web);
	expect("");
}

/* 100 bytes with its prefix and line end. */
static const char hundred[] =
	"----------------------------------------------------------------------"
	"----------------------\n";

/* Fill the queue until tiny loses something; how many lines went in. */
static int fill(void)
{
	int count = 0;

	while (!tiny.dropped) {
		feed(&tiny, hundred);
		count++;
		assert_true(console.used <= CONSOLE_QUEUE);
	}
	return count - 1;
}

static void a_slow_console_loses_guests_text_and_says_so(void **state)
{
	char line[100];
	int count;

	(void)state;
	count = fill();
	assert_in_range(count, (CONSOLE_QUEUE - CONSOLE_RESERVE) / 100 - 2,
			(CONSOLE_QUEUE - CONSOLE_RESERVE) / 100);
	feed(&tiny, hundred);
	assert_int_equal(tiny.dropped, 2 * (100 - strlen("[tiny] ")));

	/* init itself still has room. */
	console_print(&console, "init: still here");
	assert_int_equal(console.dropped, 0);

	/* Some space, and the next line is preceded by the confession. */
	console.head = (console.head + console.used) % CONSOLE_QUEUE;
	console.used = 0;
	feed(&tiny, "back\n");
	snprintf(line, sizeof(line), "init: console too slow (%d bytes of guest tiny dropped)\n",
		 2 * (100 - (int)strlen("[tiny] ")));
	strcat(line, "[tiny] back\n");
	expect(line);
	feed(&tiny, "again\n");
	expect("[tiny] again\n");
}

static void a_stuck_console_loses_our_own_lines_last(void **state)
{
	int i;

	(void)state;
	fill();
	for (i = 0; i < 100000 && !console.dropped; i++)
		console_print(&console, "init: a line of init's own");
	assert_in_range(i, CONSOLE_RESERVE / 30, CONSOLE_RESERVE / 20);
	console.head = (console.head + console.used) % CONSOLE_QUEUE;
	console.used = 0;
	console_print(&console, "init: back");
	expect("init: console too slow (27 bytes of init dropped)\ninit: back\n");
}

/* A real descriptor that takes only so much. */
static void nothing_waits_and_nothing_is_lost(void **state)
{
	static char got[CONSOLE_QUEUE * 2];
	size_t used = 0;
	int fds[2];
	int i, sent = 0;
	ssize_t n;

	(void)state;
	assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
	console_init(&console, fds[1]);
	for (i = 0; i < 30; i++) {
		int k;

		/* More than the pipe holds, less than pipe and queue. */
		for (k = 0; k < 50; k++, sent++)
			feed(&tiny, hundred);
		console_write(&console);
		if (i % 3 == 0) {
			n = read(fds[0], got + used, 7000);
			assert_true(n > 0);
			used += (size_t)n;
		}
	}
	while ((n = read(fds[0], got + used, sizeof(got) - used)) > 0) {
		used += (size_t)n;
		console_write(&console);
	}
	assert_int_equal(used, sent * 100);
	assert_false(console_pending(&console));
	for (i = 0; i < sent; i++)
		assert_memory_equal(got + i * 100, "[tiny] ----", 11);
	close(fds[0]);
	close(fds[1]);
}

static void draining_gives_up_in_time(void **state)
{
	int fds[2];
	int i;

	(void)state;
	assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
	console_init(&console, fds[1]);
	for (i = 0; i < 900; i++)
		feed(&tiny, hundred);
	console_drain(&console, 3000);
	assert_int_equal(now_ms, 4000);
	assert_true(console_pending(&console));
	close(fds[0]);
	close(fds[1]);
}

static void a_console_that_is_gone_takes_everything(void **state)
{
	(void)state;
	console_init(&console, open("/dev/full", O_WRONLY));
	console_print(&console, "init: hello");
	assert_false(console_pending(&console));
	close(console.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(lines_get_a_prefix, setup),
		cmocka_unit_test_setup(lines_wait_until_they_are_whole, setup),
		cmocka_unit_test_setup(line_ends_lose_their_carriage_return, setup),
		cmocka_unit_test_setup(zero_bytes_are_carried, setup),
		cmocka_unit_test_setup(nobody_else_moves_the_cursor, setup),
		cmocka_unit_test_setup(a_vmm_speaks_under_its_own_name, setup),
		cmocka_unit_test_setup(a_prompt_appears_after_a_while, setup),
		cmocka_unit_test_setup(the_typing_guest_is_shown_at_once, setup),
		cmocka_unit_test_setup(an_interrupted_prompt_goes_on_in_a_new_line, setup),
		cmocka_unit_test_setup(long_lines_stay_one_line, setup),
		cmocka_unit_test_setup(the_end_finishes_a_line, setup),
		cmocka_unit_test_setup(a_slow_console_loses_guests_text_and_says_so, setup),
		cmocka_unit_test_setup(a_stuck_console_loses_our_own_lines_last, setup),
		cmocka_unit_test_setup(nothing_waits_and_nothing_is_lost, setup),
		cmocka_unit_test_setup(draining_gives_up_in_time, setup),
		cmocka_unit_test_setup(a_console_that_is_gone_takes_everything, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
