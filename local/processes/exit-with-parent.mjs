// Loaded into every child process before its program, so in plain JavaScript. Ends the child when the demo has ended, however
// it did.
import { enableCompileCache } from 'node:module'

// Eight programs share most of their modules; compiled once, they start in half the time.
enableCompileCache()
// Not process.exit(), which waits for other threads and, rarely, for ever.
const end = () => process.kill(process.pid, 'SIGKILL')
process.on('disconnect', end)
// The parent may have ended before this listener was added.
if (!process.connected) end()
// The channel alone must not keep a program alive that has nothing more to do.
process.channel?.unref()
