import {
  deliverBytes,
  END_BYTES,
  encodeHello,
  hereBytes,
  type LinkFrame,
  movedBytes,
  writeBye,
  writeDeliver,
  writeEnd,
  writeHere,
  writeIntroduce,
  writeMoved,
  writeOutcome,
  writeWindow,
} from '../../../../sidecar/transport/link/link-frames.ts'

/** The bytes of a frame. */
export function encode(frame: LinkFrame): Buffer {
  const written = (size: number, write: (bytes: Buffer) => void) => {
    const bytes = Buffer.alloc(size)
    write(bytes)
    return bytes
  }
  switch (frame.type) {
    case 'hello':
      return encodeHello(frame.windowBytes, frame.maxMessageBytes, frame.boot)
    case 'window':
      return written(5, bytes => writeWindow(bytes, 0, frame.bytes))
    case 'outcome':
      return written(6, bytes => writeOutcome(bytes, 0, frame.id, frame.outcome))
    case 'moved':
      return written(movedBytes(frame.member), bytes => writeMoved(bytes, 0, frame.id, frame.member))
    case 'here':
      return written(hereBytes(frame.users), bytes => writeHere(bytes, 0, frame.id, frame.users))
    case 'bye':
      return written(5, bytes => writeBye(bytes, 0, frame.count))
    case 'introduce':
      return written(5, bytes => writeIntroduce(bytes, 0, frame.id))
    case 'end':
      return written(END_BYTES, bytes => writeEnd(bytes, 0, frame.connection))
    case 'deliver':
      return written(deliverBytes(frame), bytes => writeDeliver(bytes, 0, frame.id, frame, frame.repeated))
  }
}

export const BOOT = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex')

export const CONNECTION = '00112233445566778899aabbccddeeff'

export const delivery = (id: number, content: string, more: object = {}): LinkFrame => ({
  type: 'deliver',
  id,
  lane: 258,
  user: 'bob',
  deliver: 'app',
  start: false,
  repeated: false,
  deliveredTo: undefined,
  origin: undefined,
  via: undefined,
  message: { data: Buffer.from(content), binary: false },
  ...more,
})
