import { randomBytes } from 'node:crypto'

/** Bytes of the id of a client's connection. */
export const CONNECTION_ID_BYTES = 16

/** Makes the id of a client's connection: {@link CONNECTION_ID_BYTES} random bytes in hexadecimal digits. */
export const createConnectionId = (): string => randomBytes(CONNECTION_ID_BYTES).toString('hex')

/** Whether a text can be the id of a connection. */
export const isConnectionId = (text: string): boolean => /^[0-9a-f]{32}$/.test(text)
