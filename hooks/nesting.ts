import type { FastifyRequest } from 'fastify'

/** Objects of Kubernetes nest a tenth of that. */
export const MAX_NESTING = 256

/** Refuses a body that is nested deeper, before anything walks through it that needs a stack. @throws an error with status 400 */
export async function refuseDeep({ body }: Pick<FastifyRequest, 'body'>): Promise<void> {
  let level: unknown[] = [body]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_NESTING) {
      throw Object.assign(new Error(`the body is nested deeper than ${MAX_NESTING}`), { statusCode: 400 })
    }
    level = level.flatMap(one => (typeof one === 'object' && one !== null ? Object.values(one) : []))
  }
}
