/** The leading search for each user: the only one that keeps asking, while others for that user wait for its end. */
export class LeadingSearches {
  /** End of the leading search, by user. */
  readonly #ends = new Map<string, Promise<void>>()

  /** Makes a search the leading one. Returns the function that ends it; `undefined`: another search leads. */
  tryLead(user: string): (() => void) | undefined {
    if (this.#ends.has(user)) return undefined
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#ends.set(user, promise)
    return () => {
      this.#ends.delete(user)
      resolve()
    }
  }

  /** Resolves when the leading search has ended; resolved if there is none. */
  ended(user: string): Promise<void> {
    return this.#ends.get(user) ?? Promise.resolve()
  }
}
