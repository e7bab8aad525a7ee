# SPDX-License-Identifier: MIT
"""Calls about images and samplers in the form in which compare.py compares them (class Images)."""

READ, WRITE, FILL = "clEnqueueReadImage", "clEnqueueWriteImage", "clEnqueueFillImage"
ACCESS = 7
MAP_WRITES, MAP_INVALIDATES = 2 | 4, 4
# The sizes that a type has, as places in image_desc: width, height, depth, array size.
SIZES = {0x10F4: (1,), 0x10F6: (1,), 0x10F5: (1, 4), 0x10F1: (1, 2), 0x10F3: (1, 2, 4),
         0x10F2: (1, 2, 3)}
IMAGE2D, IMAGE3D, IMAGE1D_BUFFER = 0x10F1, 0x10F2, 0x10F6
ROW_PITCH = 5
CHANNELS = {0x10B2: 2, 0x10B3: 2, 0x10B5: 4, 0x10B6: 4, 0x10B7: 4, 0x10C1: 4, 0x10C2: 4, 0x10C3: 4}
CHANNEL_BYTES = {0x10D0: 1, 0x10D1: 2, 0x10D2: 1, 0x10D3: 2, 0x10D7: 1, 0x10D8: 2, 0x10D9: 4,
                 0x10DA: 1, 0x10DB: 2, 0x10DC: 4, 0x10DD: 2, 0x10DE: 4}
PACKED_BYTES = {0x10D4: 2, 0x10D5: 2, 0x10D6: 4, 0x10E0: 4}
# Sampler properties and what they are unless told.
NORMALIZED, ADDRESSING, FILTER = 0x1152, 0x1153, 0x1154
DEFAULTS = {NORMALIZED: 1, ADDRESSING: 0x1132, FILTER: 0x1140}


def element_bytes(image_format):
    order, kind = image_format
    return PACKED_BYTES.get(kind) or CHANNELS.get(order, 1) * CHANNEL_BYTES.get(kind, 1)


class Images:
    """Part of compare.py's Log, whose add(), plain(), marker(), creator and mappings it uses."""

    # ---- creating

    def take_clCreateImage(self, line, args):
        desc, parent = args["image_desc"], self.creator.get(args["image_from"])
        element = element_bytes(args["image_format"])
        told = {"context": args["context"], "format": args["image_format"], "type": desc[0],
                "access": args["flags"] & ACCESS or (parent.args["access"] if parent else 1),
                "sizes": [desc[i] for i in SIZES.get(desc[0], ())], "from": args["image_from"]}
        if parent:
            told["pitch"] = desc[ROW_PITCH] or desc[1] * element
        self.add(line, "clCreateImage", told)

    take_clCreateImageWithProperties = take_clCreateImage

    def older_image(self, line, args, kind):
        desc = [kind, args["image_width"], args["image_height"], args.get("image_depth", 0), 0, 0]
        self.take_clCreateImage(line, dict(args, image_desc=desc, image_from=None))

    def take_clCreateImage2D(self, line, args):
        self.older_image(line, args, IMAGE2D)

    def take_clCreateImage3D(self, line, args):
        self.older_image(line, args, IMAGE3D)

    def take_clCreateSampler(self, line, args):
        self.add(line, "clCreateSampler",
                 {"context": args["context"], "normalized": args["normalized_coords"],
                  "addressing": args["addressing_mode"], "filter": args["filter_mode"]})

    def take_clCreateSamplerWithProperties(self, line, args):
        pairs = args["sampler_properties"]
        told = dict(DEFAULTS, **{})
        told.update(zip(pairs[::2], pairs[1::2]))
        self.take_clCreateSampler(line, {
            "context": args["context"], "normalized_coords": told[NORMALIZED],
            "addressing_mode": told[ADDRESSING], "filter_mode": told[FILTER]})

    # ---- 1D image buffers: commands on the buffer

    def line_buffer(self, image, origin):
        """(buffer, offset of the origin in it, bytes of an element), or None."""
        made = self.creator.get(image)
        if not made or made.args.get("type") != IMAGE1D_BUFFER:
            return None
        element = element_bytes(made.args["format"])
        return made.args["from"], origin[0] * element, element

    def take_clEnqueueFillImage(self, line, args):
        at = self.line_buffer(args["image"], args["origin"])
        if at:
            self.add(line, "clEnqueueFillBuffer",
                     {"command_queue": args["command_queue"], "buffer": at[0], "offset": at[1],
                      "size": args["region"][0] * at[2], "pattern": {"any": True}})
        else:
            self.add(line, FILL, self.plain(args))

    def buffers_copy(self, line, args, src, dst, size):
        self.add(line, "clEnqueueCopyBuffer",
                 {"command_queue": args["command_queue"], "src_buffer": src[0],
                  "dst_buffer": dst[0], "src_offset": src[1], "dst_offset": dst[1], "size": size})

    def take_clEnqueueCopyImage(self, line, args):
        src = self.line_buffer(args["src_image"], args["src_origin"])
        dst = self.line_buffer(args["dst_image"], args["dst_origin"])
        told = {"command_queue": args["command_queue"], "region": args["region"]}
        if src and dst:
            self.buffers_copy(line, args, src, dst, args["region"][0] * src[2])
        elif src:
            self.add(line, "clEnqueueCopyBufferToImage",
                     dict(told, src_buffer=src[0], src_offset=src[1],
                          dst_image=args["dst_image"], dst_origin=args["dst_origin"]))
        elif dst:
            self.add(line, "clEnqueueCopyImageToBuffer",
                     dict(told, src_image=args["src_image"], src_origin=args["src_origin"],
                          dst_buffer=dst[0], dst_offset=dst[1]))
        else:
            self.add(line, "clEnqueueCopyImage", self.plain(args))

    def take_clEnqueueCopyImageToBuffer(self, line, args):
        src = self.line_buffer(args["src_image"], args["src_origin"])
        if src:
            self.buffers_copy(line, args, src, (args["dst_buffer"], args["dst_offset"]),
                              args["region"][0] * src[2])
        else:
            self.add(line, "clEnqueueCopyImageToBuffer", self.plain(args))

    def take_clEnqueueCopyBufferToImage(self, line, args):
        dst = self.line_buffer(args["dst_image"], args["dst_origin"])
        if dst:
            self.buffers_copy(line, args, (args["src_buffer"], args["src_offset"]), dst,
                              args["region"][0] * dst[2])
        else:
            self.add(line, "clEnqueueCopyBufferToImage", self.plain(args))

    # ---- maps

    def take_clEnqueueMapImage(self, line, args):
        told = {k: args[k] for k in ("command_queue", "image", "origin", "region")}
        maps = self.mappings.setdefault((args["image"], args["ret"]), [])
        maps.append((args["map_flags"], told, WRITE))
        if self.worker or not self.shadowed(args["image"]):
            self.add(line, "clEnqueueMapImage", dict(told, map_flags=args["map_flags"]))
        elif not args["map_flags"] & MAP_INVALIDATES:
            self.add(line, READ, told)
        elif args["blocking_map"]:  # what was there does not matter, but when it is mapped
            self.add(line, READ, dict(told, region=[1, 1, 1]))
        else:
            self.marker(line, args)

    # ---- pieces

    def image_bytes(self, item):
        """Of a transfer from or to an image; 0: it is none."""
        made = self.creator.get(item.args.get("image"))
        if item.call not in (READ, WRITE) or not made:
            return 0
        return volume(item.args["region"]) * element_bytes(made.args["format"])


def volume(region):
    return region[0] * region[1] * region[2]


def image_piece(whole, piece):
    """Is this one of the transfers that a larger one may be made of?"""
    a, b = whole.args, piece.args
    return whole.call == piece.call and all(
        b["origin"][k] >= a["origin"][k]
        and b["origin"][k] + b["region"][k] <= a["origin"][k] + a["region"][k] for k in range(3))
