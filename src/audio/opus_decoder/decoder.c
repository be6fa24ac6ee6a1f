/*
 * The face of ../opus.wasm: libopus' decoder, mono, as many of them as 1,024 speakers need. A packet goes in and samples
 * come out through one buffer each, shared by all. Makes no other use of libopus: no encoder, no allocator of libc's, and
 * nothing of the machine is asked for.
 *
 * Built by scripts/build-opus. ../opus.ts is the only one that calls.
 */
#include <stddef.h>
#include "opus.h"

#define EXPORT(name) __attribute__((export_name(#name)))
/* An Ethernet frame's 1500 bytes and a margin. */
#define PACKET_BYTES 1536
/* 120 ms, the longest packet (RFC 6716, section 2.1.4), at 48 kHz. */
#define SAMPLES 5760
/* Two for each of 1,024 speakers in a thread. MEMORY_BYTES_MAX of scripts/build-opus has room for them. */
#define DECODERS 2048
#define PAGE_BYTES 65536
#define ALIGNED(bytes) (((bytes) + 15) & ~(size_t)15)

static unsigned char packet[PACKET_BYTES] __attribute__((aligned(16)));
static float samples[SAMPLES] __attribute__((aligned(16)));

/* A decoder that has ended: its memory is the next one's. */
struct ended {
  struct ended *next;
};
static struct ended *ended;
/* Memory behind the linker's data, taken in pieces of one size and never given back. */
extern unsigned char __heap_base;
static size_t heap_end;
static int decoders;

EXPORT(packetAddress) unsigned char *packet_address(void) { return packet; }
EXPORT(packetBytes) int packet_bytes(void) { return PACKET_BYTES; }
EXPORT(samplesAddress) float *samples_address(void) { return samples; }

static void *allocate(size_t bytes) {
  if (heap_end == 0) heap_end = ALIGNED((size_t)&__heap_base);
  size_t end = heap_end + bytes;
  size_t memory_end = (size_t)__builtin_wasm_memory_size(0) * PAGE_BYTES;
  if (end > memory_end) {
    size_t pages = (end - memory_end + PAGE_BYTES - 1) / PAGE_BYTES;
    if (__builtin_wasm_memory_grow(0, pages) == (size_t)-1) return NULL;
  }
  void *state = (void *)heap_end;
  heap_end = end;
  decoders++;
  return state;
}

EXPORT(end) void end(void *state) {
  struct ended *one = state;
  one->next = ended;
  ended = one;
}

/* Starts a decoder and returns it; NULL for a rate that libopus has not, or when there are too many. May grow memory. */
EXPORT(start) void *start(int rate_hz) {
  void *state = ended;
  if (state != NULL) ended = ended->next;
  else if (decoders == DECODERS || (state = allocate(ALIGNED(opus_decoder_get_size(1)))) == NULL) return NULL;
  if (opus_decoder_init(state, rate_hz, 1) == OPUS_OK) return state;
  end(state);
  return NULL;
}

/* As if it had just been started, at its rate. */
EXPORT(reset) void reset(void *state, int rate_hz) { opus_decoder_init(state, rate_hz, 1); }

/*
 * Decodes the packet in the buffer, or the copy of the one before that it carries (`fec`), or conceals (`bytes` of 0);
 * returns how many samples there are now, at most `count`, or an error of libopus, which is negative.
 */
EXPORT(decode) int decode(void *state, int bytes, int count, int fec) {
  return opus_decode_float(state, bytes > 0 ? packet : NULL, bytes, samples, count, fec);
}

/* After a trap the stack is where the trap was. */
__asm__(".globaltype __stack_pointer, i32\n");
EXPORT(rewindStack) void rewind_stack(void) {
  __asm__ volatile("i32.const %0\nglobal.set __stack_pointer" ::"i"(STACK_BYTES));
}

/* libopus refers to these where it makes decoders itself, which nobody asks it to. libc's would bring in all of stdio. */
void *malloc(size_t bytes) {
  (void)bytes;
  return NULL;
}
void free(void *memory) { (void)memory; }

/* What libopus' own checks of itself (ENABLE_HARDENING) come to. */
__attribute__((noreturn)) void celt_fatal(const char *message, const char *file, int line) {
  (void)message, (void)file, (void)line;
  __builtin_trap();
}
