/** The command `recogniser`, whose code is loaded in its own process alone. Resolves when that is to end. */
export async function runRecogniser(): Promise<void> {
  const recogniser = await import("./recogniser.ts");
  await recogniser.runRecogniser();
}
