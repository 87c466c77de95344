// A difference image as bytes, to be kept where no process is.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "sandbox/image.h"

namespace nexus::sandbox {

// Of an image that is a difference. Machine byte order: it is read where it was written.
std::string encodeImage(const Image& image);

// Null when the bytes are none that encodeImage made, or do not fit the base. They are checked as
// far as the host's safety goes; that they are the right ones is for the caller to know.
std::shared_ptr<const Image> decodeImage(std::string_view bytes,
                                         const std::shared_ptr<const Image>& base);

}  // namespace nexus::sandbox
