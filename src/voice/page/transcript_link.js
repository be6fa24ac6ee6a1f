/** The link to the transcript of a session for viewers: docs/TRANSCRIPTS.md. */

/**
 * Undefined where none is issued: captions go on without.
 * @param {URL} base of the service
 * @param {string} id
 * @param {string} token
 * @returns {Promise<string | undefined>}
 */
export async function transcriptLink(base, id, token) {
  const response = await fetch(new URL(`api/v1/transcripts/${encodeURIComponent(id)}/links`, base), {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: "{}",
  }).catch(() => undefined);
  if (!response?.ok) return undefined;
  const { url } = await response.json();
  return new URL(url, base).href;
}
