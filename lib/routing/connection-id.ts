import { randomBytes } from 'node:crypto'

/** Bytes of a client connection's id. */
export const CONNECTION_ID_BYTES = 16

/** Makes the id of a client connection: {@link CONNECTION_ID_BYTES} random bytes in hexadecimal. */
export const createConnectionId = (): string => randomBytes(CONNECTION_ID_BYTES).toString('hex')

/** Whether a text is a valid connection id. */
export const isConnectionId = (text: string): boolean => /^[0-9a-f]{32}$/.test(text)
