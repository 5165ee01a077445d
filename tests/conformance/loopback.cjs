// Loaded before the suite's origin server: it would listen on all addresses.
const { Server } = require('node:net')

const { listen } = Server.prototype
Server.prototype.listen = function (port) {
  return listen.call(this, Number(port), '127.0.0.1')
}
