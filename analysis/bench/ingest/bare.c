/* SRTP and VP8 without anything around them: the least that a frame can cost. Built and run by
 * `python -m analysis bench ingest`: packets of `FILE` are decrypted with libsrtp2, put together and
 * decoded with libvpx, `ROUNDS` times. Prints frames, packets and processor seconds.
 *
 * The file: 30 bytes of SRTP key and salt (AES_CM_128_HMAC_SHA1_80), then for each packet its length
 * (2 bytes, big endian) and the packet. Payload descriptors have the 4 bytes that our publishers
 * send: X, I, and a picture id of 15 bits.
 */
#include <srtp2/srtp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <vpx/vp8dx.h>
#include <vpx/vpx_decoder.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static void die(const char *what, int code) {
  fprintf(stderr, "%s: %d\n", what, code);
  exit(1);
}

int main(int argc, char **argv) {
  if (argc != 3) die("usage: ingest_bare FILE ROUNDS", argc);
  FILE *file = fopen(argv[1], "rb");
  if (!file) die("cannot open the file", 0);
  fseek(file, 0, SEEK_END);
  long size = ftell(file);
  rewind(file);
  unsigned char *all = malloc(size);
  if (!all || fread(all, 1, size, file) != (size_t)size) die("cannot read the file", 0);
  fclose(file);

  srtp_init();
  static unsigned char packet[4096], frame[1 << 20];
  long frames = 0, packets = 0;
  double spent = 0;
  for (int round = 0; round < atoi(argv[2]); round++) {
    srtp_policy_t policy;
    memset(&policy, 0, sizeof policy);
    srtp_crypto_policy_set_rtp_default(&policy.rtp);
    srtp_crypto_policy_set_rtcp_default(&policy.rtcp);
    policy.ssrc.type = ssrc_any_inbound;
    policy.key = all;
    policy.window_size = 1024;
    srtp_t srtp;
    if (srtp_create(&srtp, &policy)) die("srtp_create", 0);
    vpx_codec_ctx_t codec;
    vpx_codec_dec_cfg_t config = {1, 0, 0};
    if (vpx_codec_dec_init(&codec, vpx_codec_vp8_dx(), &config, 0)) die("vpx_codec_dec_init", 0);
    size_t have = 0;
    double began = now();
    for (long at = 30; at + 2 <= size;) {
      int length = all[at] << 8 | all[at + 1];
      memcpy(packet, all + at + 2, length);
      at += 2 + length;
      srtp_err_status_t status = srtp_unprotect(srtp, packet, &length);
      if (status) die("srtp_unprotect", status);
      packets++;
      int start = 12 + 4 * (packet[0] & 15);
      if (packet[0] & 16) start += 4 + 4 * (packet[start + 2] << 8 | packet[start + 3]);
      start += 4; /* the payload descriptor */
      memcpy(frame + have, packet + start, length - start);
      have += length - start;
      if (packet[1] & 128) { /* the marker: a frame is whole */
        if (vpx_codec_decode(&codec, frame, have, NULL, 0)) die("vpx_codec_decode", 0);
        vpx_codec_iter_t iterator = NULL;
        while (vpx_codec_get_frame(&codec, &iterator)) frames++;
        have = 0;
      }
    }
    spent += now() - began;
    vpx_codec_destroy(&codec);
    srtp_dealloc(srtp);
  }
  printf("{\"frames\": %ld, \"packets\": %ld, \"cpu_s\": %.6f}\n", frames, packets, spent);
  return 0;
}
