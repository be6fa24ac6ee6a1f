/*
 * The loops of SILK's decoder that most of the time goes to, four or eight numbers at a time. silk.patch puts them in the
 * places of libopus' own. Every result is the same number, bit for bit: all of it is whole numbers, products are rounded
 * down one by one as there, and sums may come in any order because they wrap.
 *
 * Names as in libopus' silk/macros.h: a "W" operand has 32 bits, a "B" operand 16, and a product loses 16.
 */
#ifndef SILK_SIMD_H
#define SILK_SIMD_H
#include <wasm_simd128.h>
#include "SigProc_FIX.h"

/* a * b >> 16 in each lane, by the halves of a: the high one signed, the low one not. b is 32 bits wide, of which 16 count. */
static inline v128_t smulwb_halves(v128_t a_high, v128_t a_low, v128_t b) {
  return wasm_i32x4_add(wasm_i32x4_mul(a_high, b), wasm_i32x4_shr(wasm_i32x4_mul(a_low, b), 16));
}

static inline v128_t smulwb(v128_t a, v128_t b) {
  return smulwb_halves(wasm_i32x4_shr(a, 16), wasm_v128_and(a, wasm_i32x4_const_splat(0xFFFF)), b);
}

static inline v128_t smulww(v128_t a, v128_t b) {
  v128_t low = wasm_u64x2_shr(wasm_i64x2_extmul_low_i32x4(a, b), 16);
  v128_t high = wasm_u64x2_shr(wasm_i64x2_extmul_high_i32x4(a, b), 16);
  return wasm_i32x4_shuffle(low, high, 0, 2, 4, 6);
}

static inline v128_t rshift_round(v128_t a, int by) {
  return wasm_i32x4_shr(wasm_i32x4_add(wasm_i32x4_shr(a, by - 1), wasm_i32x4_const_splat(1)), 1);
}

/* Decoded pulses to the excitation they stand for, Q14; their signs are scrambled by `seed`. */
static inline void excite(opus_int32 *excitation, const opus_int16 *pulses, int count, opus_int32 seed,
                          opus_int32 adjust, opus_int32 offset) {
  for (int i = 0; i < count; i++) {
    seed = silk_RAND(seed);
    opus_int32 flip = seed >> 31, pulse = pulses[i];
    opus_int32 level = pulse * 16384 - ((pulse > 0) - (pulse < 0)) * adjust + offset;
    excitation[i] = (level ^ flip) - flip;
    seed = silk_ADD32_ovflw(seed, pulse);
  }
}

/* x = gain * x >> 16. */
static inline void scale_ww(opus_int32 *x, int count, opus_int32 gain) {
  v128_t gains = wasm_i32x4_splat(gain);
  int i = 0;
  for (; i + 4 <= count; i += 4) wasm_v128_store(x + i, smulww(wasm_v128_load(x + i), gains));
  for (; i < count; i++) x[i] = silk_SMULWW(gain, x[i]);
}

/* out = gain * in >> 16. */
static inline void scale_wb(opus_int32 *out, const opus_int16 *in, int count, opus_int32 gain) {
  v128_t high = wasm_i32x4_splat(gain >> 16), low = wasm_i32x4_splat(gain & 0xFFFF);
  int i = 0;
  for (; i + 4 <= count; i += 4) wasm_v128_store(out + i, smulwb_halves(high, low, wasm_i32x4_load16x4(in + i)));
  for (; i < count; i++) out[i] = silk_SMULWB(gain, in[i]);
}

/*
 * Adds to the excitation what the pitch predicts, `lag` samples back. `state` goes on with the result, and is read at
 * least 14 samples before: the shortest lag is 16, so four at a time see nothing of themselves. `count` is a multiple of 4.
 */
static inline void predict_long_term(opus_int32 *result, opus_int32 *state, int lag, const opus_int16 *taps,
                                     const opus_int32 *excitation, int count) {
  const opus_int32 *past = state - lag + 2;
  v128_t tap[5];
  for (int j = 0; j < 5; j++) tap[j] = wasm_i32x4_splat(taps[j]);
  for (int i = 0; i < count; i += 4) {
    v128_t sum = wasm_i32x4_const_splat(2);
    for (int j = 0; j < 5; j++) sum = wasm_i32x4_add(sum, smulwb(wasm_v128_load(past + i - j), tap[j]));
    sum = wasm_i32x4_add(wasm_v128_load(excitation + i), wasm_i32x4_shl(sum, 1));
    wasm_v128_store(result + i, sum);
    wasm_v128_store(state + i, wasm_i32x4_shl(sum, 1));
  }
}

/*
 * The short-term synthesis filter. `y` continues from y[-16..-1]; `order` is 10 or 16. What y[n] adds to the sixteen
 * after it is kept in s0 to s3, whose first lane belongs to the next one. The two newest are added outside of the
 * vectors: so those have two samples' time to get ready, and the loop waits for one multiplication only.
 */
static inline void synthesize(opus_int32 *y, const opus_int32 *excitation, const opus_int16 *a, int order, int count) {
  opus_int32 taps[36] = {0}; /* 16, and zeros for loads that reach beyond */
  for (int j = 0; j < order; j++) taps[j] = a[j];
  const v128_t bias = wasm_i32x4_splat(order >> 1); /* products are rounded down; on average this makes up for it */
  v128_t s[4] = {bias, bias, bias, bias};
#pragma clang loop unroll(full)
  for (int i = 3; i <= 16; i++) {
    v128_t high = wasm_i32x4_splat(y[-i] >> 16), low = wasm_i32x4_splat(y[-i] & 0xFFFF);
#pragma clang loop unroll(full)
    for (int j = 0; 4 * j + i <= 16; j++)
      s[j] = wasm_i32x4_add(s[j], smulwb_halves(high, low, wasm_v128_load(taps + 4 * j + i - 1)));
  }
  v128_t s0 = s[0], s1 = s[1], s2 = s[2], s3 = s[3];
  const v128_t a0 = wasm_v128_load(taps + 2), a1 = wasm_v128_load(taps + 6);
  const v128_t a2 = wasm_v128_load(taps + 10), a3 = wasm_v128_load(taps + 14);
  const opus_int64 newest = taps[0], second = taps[1];
  opus_int32 y1 = y[-1], y2 = y[-2];
  for (int i = 0; i < count; i++) {
    opus_uint32 sum = (opus_uint32)wasm_i32x4_extract_lane(s0, 0);
    sum += (opus_uint32)(opus_int32)(second * y2 >> 16) + (opus_uint32)(opus_int32)(newest * y1 >> 16);
    opus_int32 prediction = (opus_int32)sum;
    if (sum + 0x08000000u >= 0x10000000u) prediction = prediction < 0 ? -0x08000000 : 0x07FFFFFF;
    opus_int64 exact = (opus_int64)excitation[i] + prediction * 16;
    opus_int32 now = (opus_int32)exact;
    if (now != exact) now = exact < 0 ? silk_int32_MIN : silk_int32_MAX;
    y[i] = now;
    v128_t high = wasm_i32x4_splat(y2 >> 16), low = wasm_i32x4_splat(y2 & 0xFFFF);
    s0 = wasm_i32x4_add(wasm_i32x4_shuffle(s0, s1, 1, 2, 3, 4), smulwb_halves(high, low, a0));
    s1 = wasm_i32x4_add(wasm_i32x4_shuffle(s1, s2, 1, 2, 3, 4), smulwb_halves(high, low, a1));
    s2 = wasm_i32x4_add(wasm_i32x4_shuffle(s2, s3, 1, 2, 3, 4), smulwb_halves(high, low, a2));
    s3 = wasm_i32x4_add(wasm_i32x4_shuffle(s3, bias, 1, 2, 3, 4), smulwb_halves(high, low, a3));
    y2 = y1;
    y1 = now;
  }
}

/* Synthesized Q14 to samples: out = gain * y, rounded and limited to 16 bits. `count` is a multiple of 8. */
static inline void scale_out(opus_int16 *out, const opus_int32 *y, opus_int32 gain, int count) {
  v128_t gains = wasm_i32x4_splat(gain);
  for (int i = 0; i < count; i += 8) {
    v128_t first = rshift_round(smulww(wasm_v128_load(y + i), gains), 8);
    v128_t second = rshift_round(smulww(wasm_v128_load(y + i + 4), gains), 8);
    wasm_v128_store(out + i, wasm_i16x8_narrow_i32x4(first, second));
  }
}

/*
 * What short-term prediction leaves over, from sample `order` on, which is even. A pair of neighbours at a time: two
 * vectors, one sample apart, have the pairs of eight results.
 */
static inline void analyse(opus_int16 *out, const opus_int16 *in, const opus_int16 *b, int count, int order) {
  v128_t pairs[SILK_MAX_ORDER_LPC / 2];
  int n = order;
  for (int j = 0; j < order; j += 2)
    pairs[j >> 1] = wasm_i32x4_splat((opus_int32)((opus_uint32)(opus_uint16)b[j] << 16 | (opus_uint16)b[j + 1]));
  for (; n + 8 <= count; n += 8) {
    v128_t even = wasm_i32x4_const_splat(0), odd = even, x = wasm_v128_load(in + n);
    for (int j = 0; j < order; j += 2) {
      even = wasm_i32x4_add(even, wasm_i32x4_dot_i16x8(wasm_v128_load(in + n - j - 2), pairs[j >> 1]));
      odd = wasm_i32x4_add(odd, wasm_i32x4_dot_i16x8(wasm_v128_load(in + n - j - 1), pairs[j >> 1]));
    }
    even = rshift_round(wasm_i32x4_sub(wasm_i32x4_shr(wasm_i32x4_shl(x, 16), 4), even), 12);
    odd = rshift_round(wasm_i32x4_sub(wasm_i32x4_shl(wasm_i32x4_shr(x, 16), 12), odd), 12);
    x = wasm_i16x8_narrow_i32x4(even, odd);
    wasm_v128_store(out + n, wasm_i16x8_shuffle(x, x, 0, 4, 1, 5, 2, 6, 3, 7));
  }
  for (; n < count; n++) {
    opus_uint32 rest = (opus_uint32)in[n] << 12;
    for (int j = 0; j < order; j++) rest -= (opus_uint32)(in[n - j - 1] * b[j]);
    out[n] = (opus_int16)silk_SAT16(silk_RSHIFT_ROUND((opus_int32)rest, 12));
  }
  for (int j = 0; j < order; j++) out[j] = 0;
}

/* One of three all-pass sections. 64 bits wide, which saves widening each factor; nothing here comes near 32. */
static inline opus_int64 all_pass(opus_int64 in, opus_int64 *state, opus_int64 coefficient) {
  opus_int64 x = (in - *state) * coefficient >> 16;
  opus_int64 out = *state + x;
  *state = in + x;
  return out;
}

/* Twice the rate: three all-pass sections for the even samples, three for the odd ones. */
static inline void upsample_twice(opus_int32 *state, opus_int16 *out, const opus_int16 *in, int count,
                                  const opus_int16 *even, const opus_int16 *odd) {
  /* The tables hold the third coefficient less 1, in Q16. */
  const opus_int64 even2 = even[2] + 65536, odd2 = odd[2] + 65536;
  opus_int64 s0 = state[0], s1 = state[1], s2 = state[2], s3 = state[3], s4 = state[4], s5 = state[5];
  while (count > 0) {
    opus_int32 block[16]; /* Q10 */
    int n = count < 8 ? count : 8;
    for (int i = 0; i < n; i++) {
      opus_int64 x = (opus_int64)in[i] * 1024;
      block[2 * i] = (opus_int32)all_pass(all_pass(all_pass(x, &s0, even[0]), &s1, even[1]), &s2, even2);
      block[2 * i + 1] = (opus_int32)all_pass(all_pass(all_pass(x, &s3, odd[0]), &s4, odd[1]), &s5, odd2);
    }
    if (n == 8) {
      for (int i = 0; i < 16; i += 8) {
        v128_t first = rshift_round(wasm_v128_load(block + i), 10);
        v128_t second = rshift_round(wasm_v128_load(block + i + 4), 10);
        wasm_v128_store(out + i, wasm_i16x8_narrow_i32x4(first, second));
      }
    } else {
      for (int i = 0; i < 2 * n; i++) out[i] = (opus_int16)silk_SAT16(silk_RSHIFT_ROUND(block[i], 10));
    }
    in += n;
    out += 2 * n;
    count -= n;
  }
  state[0] = (opus_int32)s0, state[1] = (opus_int32)s1, state[2] = (opus_int32)s2;
  state[3] = (opus_int32)s3, state[4] = (opus_int32)s4, state[5] = (opus_int32)s5;
}

static inline v128_t eight_taps(const v128_t *phases, const opus_int16 *in, opus_int32 at_q16) {
  return wasm_i32x4_dot_i16x8(wasm_v128_load(in + (at_q16 >> 16)), phases[((at_q16 & 0xFFFF) * 12) >> 16]);
}

/* Reads `in` at every `step_q16` up to `end_q16`, between its samples too: eight taps for each of twelve phases. */
static inline opus_int16 *interpolate(opus_int16 *out, const opus_int16 *in, opus_int32 end_q16, opus_int32 step_q16,
                                      const opus_int16 (*half)[4]) {
  v128_t phases[12];
  opus_int32 at = 0;
  for (int i = 0; i < 12; i++)
    phases[i] = wasm_i16x8_shuffle(wasm_v128_load64_zero(half[i]), wasm_v128_load64_zero(half[11 - i]),
                                   0, 1, 2, 3, 11, 10, 9, 8);
  for (; at + 3 * step_q16 < end_q16; at += 4 * step_q16) {
    v128_t a = eight_taps(phases, in, at), b = eight_taps(phases, in, at + step_q16);
    v128_t c = eight_taps(phases, in, at + 2 * step_q16), d = eight_taps(phases, in, at + 3 * step_q16);
    v128_t ab = wasm_i32x4_add(wasm_i32x4_shuffle(a, b, 0, 4, 1, 5), wasm_i32x4_shuffle(a, b, 2, 6, 3, 7));
    v128_t cd = wasm_i32x4_add(wasm_i32x4_shuffle(c, d, 0, 4, 1, 5), wasm_i32x4_shuffle(c, d, 2, 6, 3, 7));
    v128_t sum = wasm_i32x4_add(wasm_i64x2_shuffle(ab, cd, 0, 2), wasm_i64x2_shuffle(ab, cd, 1, 3));
    sum = rshift_round(sum, 15);
    wasm_v128_store64_lane(out, wasm_i16x8_narrow_i32x4(sum, sum), 0);
    out += 4;
  }
  for (; at < end_q16; at += step_q16) {
    v128_t a = eight_taps(phases, in, at);
    opus_int32 sum = wasm_i32x4_extract_lane(a, 0) + wasm_i32x4_extract_lane(a, 1) + wasm_i32x4_extract_lane(a, 2) +
                     wasm_i32x4_extract_lane(a, 3);
    *out++ = (opus_int16)silk_SAT16(silk_RSHIFT_ROUND(sum, 15));
  }
  return out;
}
#endif
