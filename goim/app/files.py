"""Makes the services of files: what is uploaded, fetched and swept away."""

from __future__ import annotations

from dataclasses import dataclass

from goim.app.ground import Ground
from goim.config import signing_secrets
from goim.services.file_images import Images
from goim.services.file_links import LinkSigner
from goim.services.file_resume import PartialUploads
from goim.services.file_sweep import FileSweeper
from goim.services.files import FileDesk


@dataclass(frozen=True, kw_only=True, slots=True)
class Files:
    """The services of files by name."""

    images: Images
    desk: FileDesk
    partial_uploads: PartialUploads
    sweeper: FileSweeper


def files_of(ground: Ground) -> Files:
    """Files over the bytes in `blobs` and what is known of them."""
    stores, clock, rules = ground.stores, ground.clock, ground.settings.files
    images, signer = Images(stores.blobs), LinkSigner(signing_secrets(ground.settings))
    desk = FileDesk(stores.files, stores.grants, stores.blobs, images, signer, clock, rules, stores.users)
    return Files(
        images=images,
        desk=desk,
        partial_uploads=PartialUploads(desk, stores.blobs, clock, rules),
        sweeper=FileSweeper(stores.files, stores.blobs, clock, rules),
    )
